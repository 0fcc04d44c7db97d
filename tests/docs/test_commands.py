"""Every command on the pages for users is planned, or exists, and is run: here, by what RUN_BY names, or by whoever has
what its block says it needs."""
import glob
import os
import re
import shlex
import subprocess

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, plan, settings, verbs
from mtp.weights import manifest
from tests.launch import fakes, golden_plans

PAGES = sorted(glob.glob(os.path.join(ledger.ROOT, 'docs', '*.md')))
# Their commands are those of the English pages, byte for byte: tests/docs/test_korean.py.
KOREAN = sorted(glob.glob(os.path.join(ledger.ROOT, 'docs', 'ko', '*.md')))
WANTED = {'big-images', 'browse', 'first-week', 'gpu-server', 'laptop', 'offline-cluster', 'own-data',
          'slurm-apptainer', 'tracking', 'troubleshooting'}
NEEDS = {'GPU', 'cluster', 'docker', 'apptainer', 'network', 'root'}
# Names of settings that a verb, a shell or a program of others reads.
OUTSIDE = {'APPTAINER_CACHEDIR', 'APPTAINER_TMPDIR', 'PIP_CACHE_DIR', 'TMPDIR'}

# Who runs for real what would take too long here, and the words that stand there.
RUN_BY = {
    'make setup': ('.ci/run', ' make setup\n'), 'make check': ('.ci/run', ' make check\n'),
    'make demo': ('.ci/run', ' make demo\n'), 'make doctor': ('.ci/run', ' make doctor\n'),
    'make bundle': ('ci/images.py', "make('bundle'"), 'make verify-bundle': ('ci/images.py', "make('verify-bundle'"),
    'make images': ('ci/images.py', "make('images'"), 'ci/images': ('.ci/run', ' ci/images\n'),
    'make replay': ('ci/replay.py', "make('replay'"),
    'python3 -m mtp.launch.replay': ('mtp/launch/replay.py', "'-m', 'mtp.launch.replay'"),  # a part of make replay
    'ci/signing': ('ci/checks_trust.py', "front.say('ci/signing')"),
    'make status': ('ci/checks_runs.py', "front.made('status'"),
    'make logs': ('ci/checks_runs.py', "front.made('logs'"),
    'make sif': ('ci/sifs.py', '/recipes/{env}.def'),
    'make samples': ('ci/checks_runs.py', "'mtp.data.samples', name"),  # what it starts
    'make browse': ('tests/browse/test_command.py', 'command.main('),
    'make finetune': ('tests/own/test_page.py', 'make finetune '),
    'make predict': ('tests/predict/test_command.py', 'from mtp.predict.__main__ import main'),
    'python -m mtp.submit validate': ('mtp/demo/stages.py', "'mtp.submit', 'validate'"),
    'python -m mtp.submit score': ('mtp/demo/stages.py', "'mtp.submit', 'score'"),
    'python -m mtp.predict': ('tests/predict/test_command.py', 'from mtp.predict.__main__ import main'),
}
QUICK = ('python3 -m mtp.launch.ledger',)  # and whatever says DRYRUN=1


def blocks(path):
    """(what it needs, commands) of every fenced block of shell on a page."""
    with open(path, encoding='utf-8') as stream:
        for text in re.findall(r'^```sh\n(.*?)^```', stream.read(), re.M | re.S):
            first = re.match(r'# needs: (.*)\n', text)
            lines = text.replace('\\\n', ' ').splitlines()
            commands = [shlex.split(line, comments=True) for line in lines if line.strip()]
            yield set(first.group(1).split() if first else ()), [words for words in commands if words]


def name(path):
    return os.path.splitext(os.path.basename(path))[0]


def inline(path):
    """Commands of ours that stand in the text or in a table."""
    with open(path, encoding='utf-8') as stream:
        text = re.sub(r'^```.*?^```', '', stream.read(), flags=re.M | re.S)
    return [shlex.split(words) for words in re.findall(r'`((?:make|python3|ci/\w+) ?[^`]*)`', text)]


CASES = [(name(path), needs, words) for path in PAGES for needs, commands in blocks(path) for words in commands]
CASES += [(name(path), set(), words) for path in PAGES for words in inline(path)]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = golden_plans.checkout(tmp_path_factory.mktemp('checkout'))
    for module in ('bundle', 'verify_bundle', 'setup', 'doctor', 'lock', 'submitted', 'replay', 'own'):
        fakes.touch(str(folder / 'mtp' / 'launch' / (module + '.py')))
    for program in ('mtp/demo/__main__.py', 'mtp/browse/__main__.py', 'mtp/data/samples/__main__.py', 'tests/x.py',
                    'mtp/weights/__main__.py', 'mtp/reproduce/__main__.py'):
        fakes.touch(str(folder / program))
    for path in glob.glob(os.path.join(ledger.ROOT, 'configs', 'mmrotate1', 'oscd', '*.py')):
        fakes.touch(str(folder / os.path.relpath(path, ledger.ROOT)))
    for name in ('rvsa-b-unet-96-mae-mtp_oscd_rgb.pth', 'oriented_rcnn_rvsa_l_800_mae_mtp_fair1m20.pth'):
        assert name in manifest.entries()
        fakes.touch(str(folder / 'weights' / name))
    return str(folder)


def assert_planned(words, root, monkeypatch):
    """``make VERB NAME=VALUE ...`` gives a plan; every NAME is a setting that something reads."""
    verb, given = words[1], dict(word.split('=', 1) for word in words[2:])
    known = set(settings.VERB_SETTINGS) | set(_read_names())
    assert not set(given) - known, 'no such setting'
    monkeypatch.setattr('mtp.launch.passports.read', lambda path: dict(THEN))
    asked = fakes.ask(**given)
    made = verbs.plan(verb, asked, fakes.machine(root, venvs=dict.fromkeys(ledger.names(), 'ready')))
    assert made.commands and plan.render(made)


THEN = {
    'kind': 'pretrain', 'status': 'complete', 'processes': 1, 'folder': '/w/a',
    'command': ['python', 'main_pretrain.py'], 'code': {}, 'data': {},
    'environment': {'name': 'mmrotate1', 'ledger': 'l', 'versions': {},
                    'image': {'runtime': 'docker', 'name': None, 'digest': None}},
    'roots': {'data': '/d', 'weights': '/v', 'work_dirs': '/w', 'code': '/c'}, 'hardware': {}
}


def _read_names():
    """Settings that :func:`mtp.launch.settings.from_environ` reads, by asking it."""
    class Asked(dict):
        def get(self, key, default=None):
            seen.add(key)
            return super().get(key, default)

    seen = set()
    settings.from_environ(Asked(HOME='/home/user'))
    return seen | {'DRYRUN'}


def exists(words):
    """Whether our own program that ``words`` start is there."""
    program = words[0]
    if program in ('python', 'python3') and words[1] == '-m':
        base = os.path.join(ledger.ROOT, *words[2].split('.'))
        return os.path.isfile(base + '.py') or os.path.isfile(os.path.join(base, '__main__.py'))
    program = words[1] if program in ('python', 'python3') else program
    return '/' in program and os.path.isfile(os.path.join(ledger.ROOT, program)) and (
        words[0] != program or os.access(os.path.join(ledger.ROOT, program), os.X_OK))


@pytest.mark.parametrize('page, needs, words', CASES, ids=['{}: {}'.format(page, ' '.join(words)[:60])
                                                           for page, _, words in CASES])
def test_a_command_can_be_typed(page, needs, words, root, monkeypatch):
    if words[0] == 'make':
        assert_planned(words, root, monkeypatch)
    elif words[0] == 'export':
        known = set(_read_names()) | OUTSIDE
        assert all(word.split('=')[0] in known or settings.passes(word.split('=')[0]) for word in words[1:])
    elif not exists(words):
        assert needs, f'{words[0]} is not ours and not marked with what it needs'


TYPED = [(name(path), words) for path in PAGES for needs, commands in blocks(path) for words in commands
         if not needs and words[0] != 'export']


def is_quick(words):
    return 'DRYRUN=1' in words and words[1] != 'replay' or ' '.join(words).startswith(QUICK)


@pytest.mark.parametrize('words', [words for _, words in TYPED if is_quick(words)],
                         ids=lambda words: ' '.join(words)[:60])
def test_a_quick_command_runs_as_it_is_typed(words, tmp_path):
    ask = dict(os.environ, MTP_WORK_ROOT=str(tmp_path), RUNTIME='native', OMP_NUM_THREADS='1')
    done = subprocess.run(words, cwd=ledger.ROOT, env=ask, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    assert done.returncode == 0 and done.stdout, done.stdout


@pytest.mark.parametrize('page, words', [case for case in TYPED if not is_quick(case[1])],
                         ids=lambda value: value if isinstance(value, str) else ' '.join(value)[:60])
def test_every_other_command_is_run_by_somebody(page, words):
    typed = ' '.join(words)
    found = [by for start, by in RUN_BY.items() if (typed + ' ').startswith(start + ' ')]
    assert len(found) == 1, 'nobody runs it: mark what it needs, or run it'
    with open(os.path.join(ledger.ROOT, found[0][0]), encoding='utf-8') as stream:
        assert found[0][1] in stream.read()


def test_a_wrong_command_is_found(root, monkeypatch):
    with pytest.raises(MTPError):
        assert_planned(['make', 'pretrian'], root, monkeypatch)
    with pytest.raises(AssertionError):
        assert_planned(['make', 'pretrain', 'GPU=4'], root, monkeypatch)
    assert not exists(['ci/nothing']) and not exists(['python3', '-m', 'mtp.nothing']) and exists(['ci/images'])


def test_every_page_is_there_has_commands_and_is_linked():
    assert WANTED <= set(map(name, PAGES)) and {page for page, _, _ in CASES} >= WANTED
    korean = set(map(name, KOREAN))
    for readme, there in (('README.md', ()), ('README.ko.md', korean)):
        with open(os.path.join(ledger.ROOT, readme), encoding='utf-8') as stream:
            text = stream.read()
        for page in WANTED:
            assert '](docs/{}{}.md)'.format('ko/' if page in there else '', page) in text, (readme, page)


def test_marks_are_known_and_links_lead_somewhere():
    for path in PAGES + KOREAN:
        for needs, _ in blocks(path):
            assert needs <= NEEDS, path
        with open(path, encoding='utf-8') as stream:
            for link in re.findall(r'\]\(([^)#]+)', stream.read()):
                assert link.startswith('https://') or os.path.exists(
                    os.path.join(os.path.dirname(path), link)), (path, link)
