"""Every command of the published guide, word for word, as far as a machine without data comes (published.md#guide)."""
import os
import shlex

import pytest

from mtp.adapters import environment
from mtp.errors import MTPError
from tests import environments
from tests.adapters import tiny

PLACEHOLDER = {'load_from=[path of the revised weights]': 'load_from=weights/revised.pth'}


def commands():
    """(title, environment, words of the tool, whether srun starts it) of each command for tools/."""
    with open(os.path.join(os.path.dirname(__file__), 'published_commands.txt'), encoding='utf-8') as stream:
        blocks = stream.read().strip().split('\n\n')
    for block in blocks:
        title, line = block.split('\n')
        for said, filled in PLACEHOLDER.items():
            line = line.replace(said, filled)
        words = shlex.split(line)
        start = next(index for index, word in enumerate(words) if word.startswith('tools/'))
        yield title[2:title.rindex(' (')], title[title.rindex('(') + 1:-1], words[start:], words[0] == 'srun'


HERE = [each for each in commands() if each[1] == environments.of_the_record()]


def test_the_list_is_whole():
    found = [words[0] for _, _, words, _ in commands()]
    assert (found.count('tools/train.py'), found.count('tools/test.py')) == (7, 8)


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """A task of srun, and no data anywhere."""
    tiny.as_slurm_task(monkeypatch)
    for name in ('DATA', 'WEIGHTS', 'WORK'):
        monkeypatch.setenv(f'MTP_{name}_ROOT', str(tmp_path / name.lower()))
    return monkeypatch


@pytest.mark.parametrize('title, env, words, slurm', HERE, ids=[each[0] for each in HERE])
def test_options_config_and_environment_are_understood(alone, title, env, words, slurm):
    """What is missed first is what this machine lacks: the data to train on, the checkpoint to test."""
    if not slurm:
        alone.delenv('SLURM_STEP_NUM_TASKS')
    tool = getattr(environment.command_line(), words[0][len('tools/'):-len('.py')])
    with pytest.raises(MTPError) as caught:
        tool(words[1:])
    missed = 'there is no data folder' if words[0] == 'tools/train.py' else 'there is no checkpoint /'
    assert str(caught.value).startswith(missed), str(caught.value)


@pytest.mark.parametrize('title, env, words, slurm', HERE[:1], ids=[each[0] for each in HERE[:1]])
def test_an_unknown_option_is_refused(alone, capsys, title, env, words, slurm):
    tool = getattr(environment.command_line(), words[0][len('tools/'):-len('.py')])
    with pytest.raises(SystemExit):
        tool(words[1:2] + ['x.pth'] * (words[0] == 'tools/test.py') + ['--no-such-option'])
    assert '--no-such-option' in capsys.readouterr().err
