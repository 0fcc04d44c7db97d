import shlex

import pytest

from mtp.errors import MTPError
from mtp.launch.plan import Plan, Problem, check, command, render, render_command

WORDS = ('python', '-u', 'x.py', 'a b', "it's", '$HOME', '--cfg-options', 'a=b', '--flag', '--list', '1', '2', '-3', '')


def make(**changes):
    return Plan('native: why', '/a b', (command(WORDS),), (), ())._replace(**changes)


def test_a_printed_command_means_the_same_words_to_a_shell():
    assert shlex.split(render_command(command(WORDS)).replace('\\\n', ' ')) == list(WORDS)


def test_long_commands_are_broken_into_lines_a_shell_joins():
    words = ['srun'] + [f'--option-number-{index}=value' for index in range(40)] + ['python', 'x.py']
    text = render_command(command(words, {'B': '1 2', 'A': 'x'}))
    assert max(map(len, text.splitlines())) <= 115
    assert all(line.endswith(' \\') for line in text.splitlines()[:-1])
    assert text.startswith("A=x B='1 2'")
    assert shlex.split(text.replace('\\\n', ' ')) == ['A=x', 'B=1 2'] + words


def test_the_plan_says_why_and_where():
    assert render(make()).splitlines()[:2] == ['# native: why', "cd '/a b'"]
    assert 'mkdir -p work_dirs' in render(make(makes=('work_dirs',)))


def test_problems_are_comments_in_print_and_an_error_when_run():
    plan = make(problems=(Problem('no image', 'make images'), Problem('no data', '')))
    assert '# not ready: no image\n#   next: make images\n# not ready: no data\n' in render(plan)
    with pytest.raises(MTPError) as caught:
        check(plan)
    assert str(caught.value) == 'no image\n  also: no data\n  next: make images'
    check(make())


def test_a_name_that_is_no_variable_is_a_defect():
    with pytest.raises(ValueError):
        command(['true'], {'A B': '1'})
