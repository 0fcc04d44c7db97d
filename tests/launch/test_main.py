"""The front door as it is typed: make, DRYRUN, exit codes."""
import os
import subprocess

import pytest

from mtp.launch import ledger, usage, verbs


def make(*words):
    environment = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
    done = subprocess.run(['make', '-s', '-C', ledger.ROOT] + list(words), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, env=environment, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_help_is_one_screen_and_names_every_verb():
    code, text, _ = make()
    assert code == 0 and text == usage.screen(ledger.ROOT)
    lines = text.splitlines()
    assert len(lines) <= 35 and max(map(len, lines)) <= 110
    shown = [line.split()[0] for line in lines if line.startswith('  ')]
    assert set(verbs.VERBS) <= set(shown)
    assert all(f'{head}-DATASET' in shown for head in verbs.DATASET_VERBS)


@pytest.mark.parametrize('words, status, said', [
    (['pretrian'], 'Error 2', "no target 'pretrian'\n  next: did you mean make pretrain"),
    (['test-nonsense'], 'Error 2', "no target 'test-nonsense'"),
    (['pretrain', 'RUNTIME=dokcer'], 'Error 2', "RUNTIME is 'dokcer'"),
    (['finetune', 'CONFIG=nothing.py'], 'Error 2', "no config 'nothing.py'"),
    (['check', 'ENV=mmrotate2'], 'Error 2', "no environment 'mmrotate2'")])
def test_mistakes_end_with_one_clear_error(words, status, said):
    code, _, errors = make(*words)
    assert code == 2 and status in errors and said in errors and 'Traceback' not in errors


def test_dryrun_prints_and_runs_nothing():
    code, text, errors = make('check', 'DRYRUN=1', 'ENV=mmrotate1', 'ARGS=-k "a b"')
    assert code == 0, errors
    assert text.endswith("--dist=loadfile -k 'a b'\n") and '/mmrotate1/bin/python -m pytest' in text


def test_recipes_are_short():
    with open(os.path.join(ledger.ROOT, 'Makefile'), encoding='utf-8') as stream:
        recipes = stream.read().split('\n\n')
    for block in recipes:
        for recipe in block.split('\n'):
            assert not recipe.startswith('\t') or len(recipe) < 60
