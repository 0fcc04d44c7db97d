"""Both packages that compute settle how threads wait, in one place, and leave a user's choice alone."""
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.mark.parametrize('package', ['mtp.pretrain', 'mtp.adapters'])
@pytest.mark.parametrize('chosen, seen', [(None, 'PASSIVE'), ('ACTIVE', 'ACTIVE')])
def test_threads_wait_without_spinning_unless_asked(package, chosen, seen):
    environment = {name: value for name, value in os.environ.items() if name != 'OMP_WAIT_POLICY'}
    environment.update({'OMP_WAIT_POLICY': chosen} if chosen else {}, PYTHONPATH=ROOT)
    code = f'import os, sys, {package}; print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)'
    said = subprocess.check_output([sys.executable, '-c', code], env=environment).decode().split()
    assert said == [seen, 'False']
