"""Scripts of the shell: what they must not do, whatever they are for."""
import os
import re
import subprocess

import pytest

from tests import environments

#: Readers that leave before the end: whoever writes to them may get SIGPIPE, or not, as the two happen to run.
EARLY = re.compile(r"(?<!\|)\|\s*(head\b|grep\s+(-\S*\s+)*-\w*[qm]|sed\s+(-\S+\s+)*'?[^'|]*q'?(\s|\)|$)|"
                   r"awk\b[^|]*\bexit\b)")


def scripts():
    """Paths of the scripts with ``pipefail``, in which a writer that is ended by SIGPIPE is a line that failed."""
    listed = subprocess.run(['git', 'ls-files'], cwd=environments.ROOT, stdout=subprocess.PIPE, universal_newlines=True)
    found = []
    for name in listed.stdout.split('\n')[:-1]:
        path = os.path.join(environments.ROOT, name)
        if os.path.isfile(path) and (name.endswith('.sh') or '.' not in os.path.basename(name)):
            with open(path, encoding='utf-8', errors='replace') as stream:
                text = stream.read()
            if re.match(r'#!.*\b(ba)?sh\b', text) and 'pipefail' in text:
                found.append(name)
    return found


def test_no_writer_is_ended_by_a_reader_that_leaves_early():
    names = scripts()
    if not names:
        pytest.skip('no checkout of git is here')
    assert 'mtp/launch/task.sh' in names
    bad = []
    for name in names:
        with open(os.path.join(environments.ROOT, name), encoding='utf-8') as stream:
            bad += [f'{name}:{number}: {line.strip()}' for number, line in enumerate(stream, 1)
                    if EARLY.search(line)]
    assert not bad


@pytest.mark.parametrize('line, early', [
    ('x | head -n 1', True), ('x | grep -q y', True), ('x | grep -Fq y', True), ("x | awk '{ print; exit }'", True),
    ('x | grep -F -q y', True), ("x | sed 1q", True), ('x | grep y >/dev/null', False), ('x | sed -n 1p', False),
    ('head -c 64 x', False), ('a || head -n 1 file', False)])
def test_what_is_early(line, early):
    assert bool(EARLY.search(line)) == early
