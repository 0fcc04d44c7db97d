"""The front door where the locale is C: names and words that are no ASCII pass, under Python 3.6 too."""
import ast
import glob
import os
import subprocess
import sys

import pytest

from mtp.launch import ledger

SOURCES = [path for pattern in ('mtp/launch/*.py', 'mtp/distributed/*.py', 'mtp/*.py', 'mtp/reproduce/*.py',
                                'docker/*.py', 'ci/*.py')
           for path in sorted(glob.glob(os.path.join(ledger.ROOT, pattern)))]
# What Python 3.6 says in the locale C; later versions would quietly take UTF-8 without being told to.
BARE_C = {'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0', 'PYTHONUTF8': '0', 'PYTHONIOENCODING': 'ascii:strict'}


def run(*words, **environment):
    environ = dict(os.environ, **dict(BARE_C, **environment))
    done = subprocess.run([sys.executable, '-m'] + list(words), cwd=ledger.ROOT, env=environ, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.decode('utf-8'), done.stderr.decode('utf-8')


@pytest.fixture
def cluster(tmp_path):
    """A SLURM with a job, and a log, whose names are no ASCII."""
    (tmp_path / 'bin').mkdir()
    squeue = tmp_path / 'bin' / 'squeue'
    squeue.write_text('#!/bin/sh\necho "12|größe|RUNNING|3:05|gpu01||"\n', encoding='utf-8')
    squeue.chmod(0o755)
    (tmp_path / 'slurm').mkdir()
    (tmp_path / 'slurm' / 'größe-12.log').write_text('한국어\n', encoding='utf-8')
    return {'PATH': '{}:{}'.format(tmp_path / 'bin', os.environ['PATH']), 'MTP_WORK_ROOT': str(tmp_path)}


@pytest.mark.parametrize('words, text', [(('mtp.launch.ledger',), '–'), (('mtp.launch.submitted', 'status'), 'größe'),
                                         (('mtp.launch.submitted', 'logs'), '한국어')])
def test_what_is_no_ascii_is_printed(cluster, words, text):
    code, said, errors = run(*words, **cluster)
    assert code == 0 and text in said, errors


def test_a_plan_and_a_batch_script_keep_the_name_of_a_folder(tmp_path, cluster):
    data, work = tmp_path / 'données', tmp_path / '작업'
    data.mkdir()
    code, said, errors = run('mtp.launch', 'pretrain', DRYRUN='1', RUNTIME='native', MTP_DATA_ROOT=str(data))
    assert code == 0 and f"MTP_DATA_ROOT='{data}'" in said, errors
    script = work / 'slurm' / 'pretrain-vit_l_rvsa.sbatch'
    words = ('import os; from mtp.files import write_text; os.makedirs(os.path.dirname({0})); write_text({0}, {0})')
    done = subprocess.run([sys.executable, '-c', words.format("os.environ['TARGET']")], cwd=ledger.ROOT,
                          env=dict(os.environ, TARGET=str(script), **BARE_C))
    assert done.returncode == 0 and script.read_text(encoding='utf-8') == str(script)


def test_an_error_names_what_was_typed():
    code, _, errors = run('mtp.launch', 'finetune', CONFIG='größe')
    assert code == 2 and "there is no config" in errors and 'Traceback' not in errors


def test_a_locale_that_lacks_a_character_shows_its_number():
    code, said, errors = run('mtp.launch.ledger', PYTHONIOENCODING='latin-1:strict')
    assert code == 0 and '\\u2013' in said, errors


def text_calls(path):
    """(line, call) of each open() of a text and each subprocess of one that leaves the encoding to the locale."""
    with open(path, encoding='utf-8') as stream:
        tree = ast.parse(stream.read())
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        names = {word.arg for word in node.keywords}
        if isinstance(node.func, ast.Name) and node.func.id == 'open' and 'encoding' not in names:
            mode = node.args[1] if len(node.args) > 1 else None
            modes = [part.value for part in ast.walk(mode or node.func) if isinstance(part, ast.Constant)]
            if not modes or not all('b' in str(each) for each in modes):
                yield f'{path}:{node.lineno}: open'
        if names & {'universal_newlines', 'text'}:
            yield f'{path}:{node.lineno}: universal_newlines'


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: os.path.relpath(path, ledger.ROOT))
def test_nothing_is_read_or_written_in_the_encoding_of_the_locale(path):
    assert list(text_calls(path)) == []
