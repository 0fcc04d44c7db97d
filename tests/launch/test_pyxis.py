"""pyxis. No machine of ours has the plugin: its words are held to what its documentation says."""
import os
import re
import subprocess

import pytest

from mtp.errors import MTPError
from mtp.launch import containers, doctor, ledger, node, runtimes, slurm, verbs
from mtp.launch.jobs import Job
from mtp.launch.runtimes import pyxis
from tests.launch import fakes
from tests.launch.fakes import ask, machine

JOB = Job('mmrotate1', ('x.py',), ('data',), ('work_dirs',), True, 2)
FILE = 'apptainer/mmrotate1-cu117.sqsh'
# The names of its options, as srun --help prints them with the plugin.
HELP = """--container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH
                              [pyxis] the image to use for the container
      --container-mounts=SRC:DST[:FLAGS][,SRC:DST...]
      --container-workdir=PATH
      --no-container-mount-home
      --no-container-remap-root
      --no-container-entrypoint
      --container-readonly    [pyxis] make the container filesystem read-only
"""


def spread(found=None, **words):
    settings = ask(**dict(dict(RUNTIME='pyxis', LAUNCHER='slurm', GPUS='2'), **words))
    return slurm.spread('pyxis', settings, found or machine('/repo'), JOB)


def problem(found, **words):
    return containers.choose(ask(**dict(dict(RUNTIME='pyxis', LAUNCHER='slurm'), **words)), found, 'mmrotate1')[2][0]


def test_its_options_stand_behind_those_of_srun_and_before_the_program():
    words = spread(SRUN_ARGS='--mem=64G').words
    image = words.index('--container-image=/repo/' + FILE)
    assert words[0] == 'srun' and words.index('--mem=64G') < image < words.index('bash') < words.index('python')
    assert words[-3:] == ('python', '-u', 'x.py')


def test_every_option_is_one_that_the_plugin_names(tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text(f"#!/bin/sh\ncat <<'EOF'\n{HELP}EOF\n")
    srun.chmod(0o755)
    named = set(pyxis.options(str(srun)))
    given = {word.split('=')[0] for word in spread().words if 'container' in word.split('=')[0]}
    assert given == named and pyxis.options(str(tmp_path / 'nothing')) == []


def test_folders_are_bound_as_everywhere_and_tmp_is_its_own():
    mounts = [word.split('=', 1)[1] for word in spread().words if word.startswith('--container-mounts=')]
    assert mounts == ['/repo/data:/data:ro,/repo/work_dirs:/work,/repo:/opt/mtp:ro,tmpfs:/tmp']


def test_an_old_plugin_is_not_asked_for_what_it_lacks():
    assert '--container-readonly' in spread().words
    old = machine('/repo', srun_options={'--container-image': ''})
    assert '--container-readonly' not in spread(old).words


@pytest.mark.parametrize('accel, cards', [('nv', True), ('none', False), ('rocm', False)])
def test_cards_are_asked_for_by_variables_of_enroot(accel, cards):
    found = spread(ACCEL=accel, VARIANT='cpu').environment
    assert ('NVIDIA_VISIBLE_DEVICES' in found, 'NVIDIA_DRIVER_CAPABILITIES' in found) == (cards, cards)


@pytest.mark.parametrize('changes, words, message, hint', [
    ({}, dict(LAUNCHER='local'), 'no srun starts this', 'LAUNCHER=slurm'),
    (dict(srun_options={}), {}, 'no pyxis plugin', 'RUNTIME=apptainer'),
    (dict(sqshs={}), {}, FILE + ' is missing', 'make sif RUNTIME=pyxis ENV=mmrotate1 VARIANT=cu117, or SQSH=file'),
    (dict(sqshs={}), dict(SQSH='/sw/x.sqsh'), '/sw/x.sqsh is missing', 'SQSH=file')])
def test_what_is_missing_comes_with_the_next_command(changes, words, message, hint):
    found = problem(machine('/repo', **changes), **words)
    assert message in found.message and hint in found.hint


def test_it_is_taken_only_where_it_is_asked_for():
    assert 'pyxis' not in [each.name for each in runtimes.possible(ask())]
    assert [each.name for each in runtimes.possible(ask(RUNTIME='pyxis'))] == ['pyxis']


def test_a_file_is_made_of_the_image_of_the_engine_that_is_here(tmp_path):
    def plan(*tools, **changes):
        found = machine(fakes.checkout(tmp_path), tools={name: name for name in tools}, **changes)
        return verbs.plan('sif', ask(RUNTIME='pyxis', VARIANT='cpu', ENV='mmrotate1'), found)

    words = ('enroot', 'import', '--output', 'apptainer/mmrotate1-cpu.sqsh')
    assert plan('docker', 'enroot', sqshs={}).commands[0].words == words + ('dockerd://mtp/mmrotate1:cpu',)
    assert plan('podman', 'enroot', sqshs={}).commands[0].words == words + ('podman://mtp/mmrotate1:cpu',)
    assert plan('docker', sqshs={}).problems[0].message == 'enroot is not installed'
    assert plan('docker', 'enroot').problems[0].hint == 'rm apptainer/mmrotate1-cpu.sqsh'


def test_a_setting_of_its_own_changes_nothing_elsewhere(tmp_path):
    settings = ask(RUNTIME='docker', SQSH='x.sqsh')._replace(typed=('SQSH',))
    with pytest.raises(MTPError, match='SQSH goes with RUNTIME=pyxis'):
        verbs.plan('pretrain', settings, machine(fakes.checkout(tmp_path)))


def test_a_node_is_asked_for_the_file_and_not_for_apptainer():
    settings = ask(RUNTIME='pyxis', LAUNCHER='slurm')
    assert node.words(settings, machine('/repo'), 'pyxis', 'mmrotate1')[-2:] == [FILE, '']
    seen = node.Node('n1', 8 << 30, '', -1, '', 'writable', [])
    question = doctor.Question(settings, machine('/repo'), None, ('mmrotate1',), {'mmrotate1': 'pyxis'})
    found = list(doctor.compute._node_image(question, seen, ' on n1', runtimes.get('pyxis')))
    assert [(each.status, each.what) for each in found] == [('fail', 'image on n1')] and 'SQSH=' in found[0].next


def inside(*words, **environment):
    """Lines that a program behind ``inside.sh`` prints, started with this environment alone."""
    return subprocess.check_output(['bash', 'mtp/launch/inside.sh'] + list(words), cwd=ledger.ROOT, env=dict(
        environment, PATH=os.environ['PATH'])).decode('utf-8').splitlines()


def test_only_variables_that_may_enter_reach_the_program():
    found = dict(line.split('=', 1) for line in inside(
        'MTP_DATA_ROOT=/data', 'A=b c', 'env', NCCL_DEBUG='INFO', SLURM_PROCID='3', SECRET='x', LD_PRELOAD='',
        PYTHONHOME='/mine', MTP_CACHE_ROOT='/mine', MTP_DATA_ROOT='/mine', HOME='/tmp', PYTHONPATH='/opt/mtp',
        MTP_JOB_TOKEN='word', SLURM_CONF='/etc/x'))
    found.pop('_', None)
    assert set(found) == {'NCCL_DEBUG', 'SLURM_PROCID', 'HOME', 'PYTHONPATH', 'MTP_JOB_TOKEN', 'MTP_DATA_ROOT', 'A',
                          'PATH'}
    assert (found['MTP_DATA_ROOT'], found['A'], found['SLURM_PROCID']) == ('/data', 'b c', '3')


def test_what_the_image_says_stays():
    with open(os.path.join(ledger.ROOT, 'docker', 'Dockerfile'), encoding='utf-8') as stream:
        last = stream.read().rsplit('FROM ', 1)[1]
    names = re.findall(r'(\w+)=', ' '.join(re.findall(r'^ENV ((?:.*\\\n)*.*)', last, re.M)))
    given = dict.fromkeys((name for name in names if name != 'PATH'), 'x')
    found = {line.split('=', 1)[0] for line in inside('env', **given)}
    assert len(names) > 12 and {name for name in names if not re.match('MTP_.*_ROOT$', name)} <= found
