import re
import os

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, settings, settings_page
from tests.launch.fakes import ask


def test_defaults():
    found = ask()
    assert (found.runtime, found.launcher, found.nodes, found.gpus, found.accel) == ('auto', 'local', 1, 1, 'auto')
    assert (found.data_root, found.weights_root, found.work_root) == ('data', 'weights', 'work_dirs')
    assert found.cache_root == '/home/user/.cache/mtp'


def test_the_makefile_has_the_same_defaults():
    with open(os.path.join(ledger.ROOT, 'Makefile'), encoding='utf-8') as stream:
        lines = dict(re.findall(r'^([A-Z_]+)\s*\?= *(.*)$', stream.read(), re.M))
    assert lines.pop('PYTHON') == 'python3'
    assert len(lines) > 10
    assert ask(**lines)._replace(environ={}) == ask()._replace(environ={})


@pytest.mark.parametrize('name, value', [
    ('RUNTIME', 'dokcer'), ('LAUNCHER', 'pbs'), ('ACCEL', 'cuda'), ('NODES', '0'), ('NODES', 'two'), ('GPUS', '-1'),
    ('PORT', '70000'), ('PORT', 'x'), ('ARGS', 'a "b'), ('DRYRUN', 'perhaps'), ('CPUS_PER_TASK', '1.5'), ('CODE', 'x'),
    ('PARTITION', 'gpu\nid'), ('PARTITION', 'gpu --uid=0'), ('GRES', 'gpu:1 x'), ('JOB', 'a/b'), ('JOB', 'a b'),
    ('VARIANT', 'cpu;id'), ('SHM_SIZE', '1g --privileged'), ('IMAGE', '--privileged'), ('MASTER_ADDR', '$(id)'),
    ('GPUS', '٢'),
    ('TIME_LIMIT', '5\n6')])
def test_a_value_that_cannot_be_is_named(name, value):
    with pytest.raises(MTPError) as caught:
        ask(**{name: value})
    assert name in str(caught.value) and repr(value) in str(caught.value)


def test_near_values_are_offered():
    with pytest.raises(MTPError, match='did you mean docker'):
        ask(RUNTIME='dokcer')


def test_words_are_split_like_a_shell_does():
    assert ask(ARGS="--cfg-options 'a=b c'").args == ('--cfg-options', 'a=b c')


def test_the_shells_own_env_file_is_no_environment():
    assert ask(ENV='/usr/share/modules/init/profile.sh').env == ''
    assert ask(ENV='mmrotate03').env == 'mmrotate03'


@pytest.mark.parametrize('name, inside', [
    ('NCCL_SOCKET_IFNAME', True), ('UCX_TLS', True), ('GLOO_SOCKET_IFNAME', True), ('SLURM_PROCID', True),
    ('MASTER_ADDR', True), ('OMP_NUM_THREADS', True), ('FI_PROVIDER', True),
    ('OMP_PROC_BIND', True), ('KMP_AFFINITY', True), ('PYTORCH_CUDA_ALLOC_CONF', True),
    ('CUBLAS_WORKSPACE_CONFIG', True),
    ('SLURM_JWT', False), ('SLURM_JOB_ACCOUNT', False), ('SLURMD_NODENAME', True), ('CUDA_VISIBLE_DEVICES', True),
    ('MTP_SEED', True),
    ('MTP_DATA_ROOT', False), ('HOME', False), ('PYTHONPATH', False), ('AWS_SECRET_ACCESS_KEY', False),
    ('LD_LIBRARY_PATH', False), ('XNCCL_', False), ('MASTER_KEY', False)])
def test_only_the_allow_list_passes(name, inside):
    assert settings.passes(name) is inside
    assert (name in ask(**{name: '1'}).environ) is inside


def test_the_master_port_of_the_user_is_the_port():
    assert ask(MASTER_PORT='16003').port == '16003'
    assert ask(MASTER_PORT='16003', PORT='16004').port == '16004'


@pytest.mark.parametrize('name', settings.PATHS)
@pytest.mark.parametrize('value, hint', [
    ('/a/b ', '{}=/a/b'), (' /a/b', '{}=/a/b'), ('/a b\t', "{}='/a b'"), ('/a\n', '{}=/a'), (' ', 'leave {} away')])
def test_a_path_with_a_blank_at_an_end_is_refused_and_not_another_one(name, value, hint):
    with pytest.raises(MTPError) as refused:
        ask(**{name: value})
    assert repr(value) in str(refused.value) and name in str(refused.value)
    assert refused.value.hint == hint.format(name)


def test_a_path_with_a_blank_in_it_is_one():
    assert ask(MTP_DATA_ROOT='/a b/c').data_root == '/a b/c' and ask(OUT='a b').words['OUT'] == 'a b'
    assert ask(RUNTIME=' native ', NODES=' 2').runtime == 'native' and ask(MTP_DATA_ROOT='').data_root == 'data'


def test_every_setting_whose_sentence_says_file_or_folder_is_held_as_a_path():
    others = {'MTP_MIRROR', 'ENV', 'CONFIG', 'IMAGES', 'BEFORE', 'AFTER', 'CLASSES', 'LAYOUT'}  # addresses, words
    told = {name for _, rows in settings_page.GROUPS for name, text in rows
            if re.search(r'\b([Ff]ile|[Ff]older|archives)\b', text)}
    assert told - others <= set(settings.PATHS), told - others - set(settings.PATHS)


def test_words_that_may_be_one_file_come_as_they_were_typed():
    assert ask(IMAGES='a.tif ').words['IMAGES'] == 'a.tif ' and ask(IMAGES=' ').words['IMAGES'] == ''
