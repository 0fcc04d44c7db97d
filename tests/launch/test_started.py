"""Plans that are really started, with made-up srun, apptainer and docker: who gets which variable, who meets whom."""
import json
import os
import sys

import pytest

from mtp.launch import execute, ledger, slurm
from mtp.launch.jobs import Job
from mtp.launch.plan import Plan
from mtp.launch.settings import from_environ
from tests.launch.fakes import machine

# Starts every task with what the real one tells it, as far as we read it.
SRUN = r'''#!/bin/bash
while [[ $1 == -* ]]; do
  case $1 in --ntasks=*) tasks=${1#*=} ;; --ntasks-per-node=*) each=${1#*=} ;; -J | -p) shift ;; esac
  shift
done
for ((task = 0; task < tasks; task++)); do
  SLURM_JOB_ID=77 SLURM_STEP_ID=1 SLURM_PROCID=$task SLURM_LOCALID=$((task % each)) SLURM_STEP_NUM_TASKS=$tasks \
    SLURM_STEP_NODELIST="gpu[07-08]" "$@" || exit
done
'''
# Starts the program with nothing but what apptainer would let in.
APPTAINER = r'''#!/bin/bash
until [[ $1 == python ]]; do
  [[ $1 == --env ]] && given+=("$2")
  shift
done
while IFS= read -r name; do given+=("${name#APPTAINERENV_}=${!name}"); done < <(compgen -e APPTAINERENV_)
shift
exec env -i PYTHONPATH="$ROOT" "${given[@]}" "$PYTHON" "$@"
'''
DOCKER = r'''#!/bin/bash
until [[ $1 == python ]]; do
  if [[ $1 == --env ]]; then
    case $2 in *=*) given+=("$2") ;; *) [[ -v $2 ]] && given+=("$2=${!2}") ;; esac
  fi
  shift
done
shift
exec env -i PYTHONPATH="$ROOT" "${given[@]}" "$PYTHON" "$@"
'''
PROGRAM = '''
import json, os, sys
from mtp.distributed import rendezvous
found = dict(rendezvous.prepare(os.environ), seen={name: os.environ.get(name) for name in sys.argv[2:]})
with open(sys.argv[1], 'a') as stream:
    stream.write(json.dumps(found) + '\\n')
'''


@pytest.fixture
def world(tmp_path, monkeypatch):
    (tmp_path / 'bin').mkdir()
    for name, text in (('srun', SRUN), ('apptainer', APPTAINER), ('docker', DOCKER)):
        (tmp_path / 'bin' / name).write_text(text)
        (tmp_path / 'bin' / name).chmod(0o755)
    venv = tmp_path / 'venvs' / 'mmrotate1' / 'bin'
    venv.mkdir(parents=True)
    os.symlink(sys.executable, str(venv / 'python'))
    (tmp_path / 'program.py').write_text(PROGRAM)
    (tmp_path / 'x.sif').write_text('image')
    for name in [name for name in os.environ if name.startswith(('SLURM', 'MASTER', 'RANK', 'WORLD', 'NCCL', 'OMP'))]:
        monkeypatch.delenv(name)
    for name, value in (('PATH', '{}:{}'.format(tmp_path / 'bin', os.environ['PATH'])), ('ROOT', ledger.ROOT),
                        ('PYTHON', sys.executable), ('PYTHONPATH', ledger.ROOT), ('NCCL_DEBUG', 'INFO'),
                        ('SECRET', 'x')):
        monkeypatch.setenv(name, value)
    return tmp_path


def started(world, runtime, **words):
    """What every process of a job with 2 nodes x 2 processes saw."""
    settings = from_environ(dict(os.environ, RUNTIME=runtime, NODES='2', GPUS='2', MTP_VENV_ROOT=str(world / 'venvs'),
                                 LAUNCHER='slurm', SIF=str(world / 'x.sif'), **words))
    names = ('NCCL_DEBUG', 'SECRET', 'MTP_DATA_ROOT', 'OMP_NUM_THREADS')
    script = (str(world / 'program.py'), str(world / 'out')) + names
    job = Job('mmrotate1', script, ('data',), ('work_dirs',), True, 4)
    item = slurm.spread(runtime, settings, machine(ledger.ROOT), job)
    assert execute.run(Plan('', ledger.ROOT, (item,), (), ())) == 0
    with open(str(world / 'out')) as stream:
        return [json.loads(line) for line in stream]


@pytest.mark.parametrize('runtime, data, secret', [('native', None, 'x'), ('apptainer', '/data', None),
                                                   ('docker', '/data', None)])
def test_every_task_knows_its_rank_and_meets_the_others(world, runtime, data, secret):
    found = started(world, runtime)
    assert [(each['RANK'], each['LOCAL_RANK']) for each in found] == [('0', '0'), ('1', '1'), ('2', '0'), ('3', '1')]
    assert {(each['WORLD_SIZE'], each['MASTER_ADDR'], each['MASTER_PORT']) for each in found} == {
        ('4', 'gpu07', str(12000 + 77 * 16 + 1))}
    assert found[3]['seen'] == {'NCCL_DEBUG': 'INFO', 'SECRET': secret, 'MTP_DATA_ROOT': data, 'OMP_NUM_THREADS': '1'}


@pytest.mark.parametrize('runtime', ['native', 'apptainer', 'docker'])
def test_the_users_port_and_threads_arrive(world, runtime, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    found = started(world, runtime, PORT='16003')
    assert {(each['MASTER_PORT'], each['seen']['OMP_NUM_THREADS']) for each in found} == {('16003', '3')}
