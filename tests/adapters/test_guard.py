"""Every way of a toolbox to a checkpoint ends in our reader, and none fetches anything; in either environment."""
import importlib
import io
import os
import pickle
import sys

import numpy as np
import pytest
import torch

from mtp.adapters import environment, guard
from mtp.errors import MTPError
from tests import environments


class Attack:
    """Runs a command in whoever unpickles it."""

    def __init__(self, mark):
        self.command = 'touch ' + mark

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture(scope='module')
def loader():
    """The toolbox's own function and class, guarded."""
    adapter = environments.adapter(environment.name())
    importlib.import_module('mtp.adapters.' + adapter)
    where = {'mmrotate1': 'mmengine.runner.checkpoint', 'mmrotate03': 'mmcv.runner.checkpoint'}
    return importlib.import_module(where[adapter])


@pytest.fixture
def evil(tmp_path):
    """(path of a checkpoint that runs something, file that tells that it ran)."""
    path, mark = str(tmp_path / 'evil.pth'), str(tmp_path / 'it_ran')
    torch.save({'state_dict': {'weight': torch.zeros(2, 2)}, 'meta': {'epoch': 1, 'iter': 1, 'x': Attack(mark)}}, path)
    return path, mark


def kept(folder, value, name='x.pth'):
    torch.save(value, str(folder / name))
    return str(folder / name)


def refused(function, mark, *words, **named):
    with pytest.raises(MTPError, match='posix.system, which is refused'):
        function(*words, **named)
    assert not os.path.exists(mark)


def test_processes_of_one_run_send_each_other_tensors(loader):
    """What a metric has found is collected as a pickle; a tensor in it ends in torch.load."""
    sent = pickle.dumps({'pred_score': torch.arange(6.).view(2, 3), 'views': [torch.ones(2, dtype=torch.int64)]})
    assert b'guard' not in sent and b'_load_from_bytes' in sent
    found = pickle.loads(sent)
    assert torch.equal(found['pred_score'], torch.arange(6.).view(2, 3)) and found['views'][0].tolist() == [1, 1]


def test_the_attack_is_real(evil):
    pickle.loads(pickle.dumps(Attack(evil[1])))
    assert os.path.exists(evil[1])


def test_the_toolboxes_loaders(loader, evil):
    refused(loader.CheckpointLoader.load_checkpoint, evil[1], evil[0])
    refused(loader._load_checkpoint, evil[1], evil[0], map_location='cpu')
    refused(loader.load_checkpoint, evil[1], torch.nn.Linear(2, 2), evil[0])
    refused(loader._load_checkpoint_with_prefix, evil[1], 'backbone.', evil[0])


def test_torch_itself(loader, evil):
    refused(torch.load, evil[1], evil[0])
    with open(evil[0], 'rb') as stream:
        refused(torch.load, evil[1], stream, map_location='cpu')
        stream.seek(0)
        refused(torch.load, evil[1], io.BytesIO(stream.read()))


ADDRESSES = ['http://127.0.0.1:9/w-12345678.pth', 'https://host/w.pth', 'modelzoo://resnet50', 'torchvision://resnet50',
             'open-mmlab://resnet50', 'openmmlab://resnet50', 'mmcls://x', 's3://bucket/w.pth', 'pavi://x',
             'petrel://a/w.pth', 'open-mmlab:s3://a/w.pth']


@pytest.mark.parametrize('address', ADDRESSES)
def test_an_address_is_fetched_by_nobody(loader, address, monkeypatch):
    monkeypatch.setenv('MTP_WEIGHTS_ROOT', '/shelf')
    for load in (loader.load_checkpoint, ):
        with pytest.raises(MTPError, match='is an address') as caught:
            load(torch.nn.Linear(2, 2), address)
        assert '/shelf (MTP_WEIGHTS_ROOT)' in caught.value.hint and '://' not in caught.value.hint
    with pytest.raises(MTPError, match='is an address'):
        torch.load(address)


def test_functions_that_fetch(loader):
    for function in (torch.hub.load_state_dict_from_url, torch.hub.download_url_to_file,
                     torch.utils.model_zoo.load_url):
        with pytest.raises(MTPError, match='http://host/w.pth is an address'):
            function('http://host/w.pth', progress=False)
    with pytest.raises(MTPError, match='is an address'):
        torch.hub.load('owner/repository', 'model', pretrained=True)


def test_pretrained_weights_of_timm_and_torchvision(loader):
    timm = pytest.importorskip('timm')
    for name in ('resnet18', 'vit_tiny_patch16_224'):
        with pytest.raises(MTPError, match='is an address'):
            timm.create_model(name, pretrained=True)
    with pytest.raises(MTPError, match='is an address'):
        importlib.import_module('torchvision.models').resnet18(pretrained=True)


def test_weights_named_in_a_config(loader, evil):
    """``init_cfg`` of any module, at any depth."""
    package = loader.__name__.split('.')[0]
    base = importlib.import_module(package + ('.model' if package == 'mmengine' else '.runner')).BaseModule

    class Outer(base):
        def __init__(self, checkpoint):
            super().__init__()
            self.inner = base(dict(type='Pretrained', checkpoint=checkpoint))

    refused(Outer(evil[0]).init_weights, evil[1])
    with pytest.raises(MTPError, match='is an address'):
        Outer(ADDRESSES[0]).init_weights()


def test_what_is_plain_comes_through_whole(loader, tmp_path):
    value = {'meta': {'epoch': 3}, 'state_dict': {'weight': torch.arange(4.).view(2, 2)},
             'list': [np.arange(3), (1, 'a')]}
    back = torch.load(kept(tmp_path, value), map_location=torch.device('cpu'))
    assert back['meta'] == {'epoch': 3} and back['list'][0].tolist() == [0, 1, 2] and back['list'][1] == (1, 'a')
    model = torch.nn.Linear(2, 2, bias=False)
    loader.load_checkpoint(model, kept(tmp_path, value))
    assert torch.equal(model.weight, value['state_dict']['weight'])


def test_the_config_in_a_checkpoint_is_not_there_to_be_run(loader, tmp_path):
    """A resumed run of the toolboxes executes it as a Python file."""
    meta = {'config': 'import os; os.mkdir("x")', 'iter': 2}
    path = kept(tmp_path, {'meta': meta, 'state_dict': {'w': torch.zeros(1)}})
    assert loader._load_checkpoint(path)['meta'] == {'iter': 2}


def test_paths_that_hooks_remove_stay_in_the_folder_of_the_run(loader, tmp_path):
    own, strange = kept(tmp_path, {}, 'best_1.pth'), str(tmp_path.parent / 'home')
    hub = {'runtime_info': {'best_ckpt': strange, 'best_ckpt_mAP': own, 'last_ckpt': strange,
                            'keep_ckpt_ids': ['../x']}}
    meta = {'hook_msgs': {'best_ckpt': strange, 'last_ckpt': own, 'best_score': 0.5}}
    back = torch.load(kept(tmp_path, {'message_hub': hub, 'meta': meta, 'state_dict': {'w': torch.zeros(1)}}))
    assert back['message_hub']['runtime_info'] == {'best_ckpt_mAP': own}
    assert back['meta']['hook_msgs'] == {'last_ckpt': own, 'best_score': 0.5}


def test_histories_are_the_toolboxes_own(loader, tmp_path):
    if environments.adapter(environment.name()) != 'mmrotate1':
        pytest.skip('MMRotate 0.3.4 has no message hub')
    history = importlib.import_module('mmengine.logging').HistoryBuffer([1., 2.], [1, 1], 10)
    path = kept(tmp_path, {'message_hub': {'log_scalars': {'loss': history}}, 'state_dict': {'w': torch.zeros(1)}})
    back = torch.load(path)['message_hub']['log_scalars']['loss']
    assert type(back) is type(history) and back.mean() == 1.5 and back.max_length == 10
    back.update(3.)
    assert back.current() == 3.


def test_a_second_install_changes_nothing(loader):
    before = torch.load, len(sys.meta_path)
    guard.install(loader.CheckpointLoader)
    guard.install()
    assert (torch.load, len(sys.meta_path)) == before
