"""Programs of ours under a Python that has only its standard library."""
import os
import subprocess
import sys

import pytest

from mtp import bare

# -S: no site-packages, so that no third-party module is there, whatever this Python holds.
MODULES = ('mtp.checkpoints', 'mtp.submit', 'mtp.predict', 'mtp.tiles.cut', 'mtp.submit.merge', 'mtp.data.samples',
           'mtp.data.loveda', 'mtp.pretrain.cli', 'mtp.pretrain.preview', 'mtp.submit.draw', 'mtp.demo.pictures')
SCRIPTS = ('scripts/change_ckpt.py', 'scripts/change_loveda_label.py', 'scripts/dota_submit_txt_to_fair1m_xml.py',
           'scripts/prepare_xview_dataset.py', 'scripts/process_spacenet.py', 'main_pretrain.py')


def bare_python(*words, **environment):
    environ = {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'MTP_ENV', 'COVERAGE')}
    done = subprocess.run([sys.executable, '-S'] + list(words), cwd=bare.ROOT, env=dict(environ, **environment),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)
    return done.returncode, done.stderr


@pytest.fixture
def made(tmp_path):
    """A folder of native environments in which the first one is there."""
    path = tmp_path / 'mmrotate1' / 'bin' / 'python'
    path.parent.mkdir(parents=True)
    path.write_text('')
    return tmp_path


@pytest.mark.parametrize('words', [('-m', name) for name in MODULES] + [(path,) for path in SCRIPTS])
def test_every_program_names_the_interpreter_that_has_what_it_needs(made, words):
    code, said = bare_python(*(words + ('--size', 'a b')), MTP_VENV_ROOT=str(made))
    assert code == 2 and 'Traceback' not in said and said.startswith('error: this Python (')
    assert said.endswith("  next: {}/mmrotate1/bin/python {} --size 'a b'\n".format(made, ' '.join(words)))


def test_where_there_is_no_environment_it_is_made_first(tmp_path):
    said = bare_python('-m', 'mtp.checkpoints', MTP_VENV_ROOT=str(tmp_path / 'none'))[1]
    assert said.endswith(f'next: make setup && {tmp_path}/none/mmrotate1/bin/python -m mtp.checkpoints\n')


def test_an_image_that_lacks_a_module_is_looked_at(tmp_path):
    assert bare_python('-m', 'mtp.checkpoints', MTP_ENV='mmrotate1')[1].endswith('next: python docker/selfcheck.py\n')


def test_an_environment_that_lacks_a_module_is_made_again(monkeypatch, tmp_path):
    path = tmp_path / 'mmrotate03' / 'bin' / 'python'
    monkeypatch.setattr(sys, 'executable', str(path))
    assert bare.missing('torch', {'MTP_VENV_ROOT': str(tmp_path)}).hint == 'make setup ENV=mmrotate03'


@pytest.mark.parametrize('text', ['import mtp.nothing', 'from json import nothing', '1 / 0'])
def test_a_defect_keeps_its_traceback(tmp_path, text):
    program = os.path.join(bare.ROOT, 'tests', 'environments.py')
    code, said = bare_python('-c', f'import sys; from mtp import bare; bare.watch({program!r}); {text}')
    assert code == 1 and 'Traceback' in said
