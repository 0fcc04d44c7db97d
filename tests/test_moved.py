import subprocess
import sys

import pytest


@pytest.mark.parametrize('old, new', [('mtp.tiles.merge', 'mtp.submit.merge'), ('mtp.report.draw', 'mtp.submit.draw')])
def test_the_old_name_of_a_command_goes_on_working(old, new):
    done = subprocess.run([sys.executable, '-m', old, '--help'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding='utf-8')
    assert done.returncode == 0 and done.stdout.startswith('usage: python -m ' + new)
    assert done.stderr == f'note: this command is python -m {new} now\n'
