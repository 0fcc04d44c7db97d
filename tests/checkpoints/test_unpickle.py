"""The unpickler: what it reads, what it refuses, and that nothing in a file runs."""
import argparse
import collections
import os
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest
import torch

from mtp.checkpoints.unpickle import HistoryBuffer, StandIn, read
from mtp.errors import MTPError

FORMATS = [True, False]  # zip and legacy


def saved(folder, value, zipped=True):
    path = str(folder / 'file.pth')
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize('zipped', FORMATS)
def test_what_a_checkpoint_may_hold(tmp_path, zipped):
    base = torch.arange(24.).reshape(4, 6)
    value = collections.OrderedDict(
        whole=base, turned=base.t(), part=base[1:3, ::2], half=base.half(), bfloat=base.bfloat16(), flag=base > 3,
        number=torch.tensor(7), empty=torch.empty(0, 3), parameter=torch.nn.Parameter(base[0]), complex=base * 1j,
        array=np.arange(5.), scalar=np.float64(3.5), text=np.array(['a', 'bc']), integer=np.int32(4),
        dtype=torch.float16, size=torch.Size([1, 2]), device=torch.device('cpu'),
        tree={'a': [1, (2., 'x'), None, {3}], b'b': True})
    back = read(saved(tmp_path, value, zipped))
    assert list(back) == list(value)
    for key, item in value.items():
        if isinstance(item, torch.Tensor):
            assert back[key].dtype == item.dtype and back[key].shape == item.shape
            assert torch.equal(back[key], item.detach())
        elif isinstance(item, np.ndarray):
            assert back[key].dtype == item.dtype and (back[key] == item).all()
        else:
            assert back[key] == item and type(back[key]) is type(item)


@pytest.mark.parametrize('zipped', FORMATS)
def test_shared_storage_stays_shared(tmp_path, zipped):
    base = torch.zeros(4)
    back = read(saved(tmp_path, {'a': base, 'b': base[2:]}, zipped))
    back['a'][3] = 5
    assert back['b'][1] == 5


@pytest.mark.parametrize('zipped', FORMATS)
def test_an_optimizer_and_its_scheduler(tmp_path, zipped):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    back = read(saved(tmp_path, dict(optimizer=optimizer.state_dict()), zipped))['optimizer']
    assert torch.equal(back['state'][0]['exp_avg'], optimizer.state_dict()['state'][0]['exp_avg'])


def test_the_arguments_of_mae_are_inert(tmp_path):
    back = read(saved(tmp_path, {'args': argparse.Namespace(lr=0.1), 'model': {'w': torch.zeros(1)}}))
    assert isinstance(back['args'], StandIn) and back['args'].state == {'lr': 0.1}


def forge(monkeypatch, module, name, bases=(object,), **members):
    """A class that pickles under a foreign module's name."""
    parts = module.split('.')
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, '.'.join(parts[:end]), types.ModuleType('.'.join(parts[:end])))
    kind = type(name, bases, dict(members, __module__=module, __qualname__=name))
    setattr(sys.modules[module], name, kind)
    return kind


def test_history_buffers_are_inert(tmp_path, monkeypatch):
    kind = forge(monkeypatch, 'mmengine.logging.history_buffer', 'HistoryBuffer', mean=lambda self: 1 / 0)
    buffer = kind()
    buffer.log, buffer.methods = np.arange(3.), {'mean': kind.mean}
    # mmengine's own pickles write methods of the class as getattr(HistoryBuffer, name).
    monkeypatch.setattr(kind, '__reduce_ex__', lambda self, _: (kind, (), {'log': self.log, 'methods': Method()}))

    class Method:
        def __reduce__(self):
            return getattr, (kind, 'mean')

    back = read(saved(tmp_path, {'hub': buffer}))['hub']
    assert type(back) is HistoryBuffer and back.state['log'].tolist() == [0, 1, 2]
    assert type(back.state['methods']) is StandIn


def test_config_dicts_are_dicts(tmp_path, monkeypatch):
    kind = forge(monkeypatch, 'mmengine.config.config', 'ConfigDict', (dict,))
    back = read(saved(tmp_path, {'cfg': kind(a=1, b=kind(c=2))}))['cfg']
    assert back == {'a': 1, 'b': {'c': 2}}


class Attack:
    """Calls ``function(*arguments)`` in whoever unpickles it."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(mark):
    yield 'system', Attack(os.system, 'touch ' + mark)
    yield 'eval', Attack(eval, f'open({mark!r}, "w")')
    yield 'exec', Attack(exec, f'open({mark!r}, "w")')
    yield 'getattr', Attack(getattr, collections.OrderedDict, 'fromkeys')
    yield 'open', Attack(open, mark, 'w')
    yield '_load_from_bytes', Attack(torch.storage._load_from_bytes, pickle.dumps(Attack(open, mark, 'w')))
    yield 'load', Attack(np.load, mark)
    yield 'Module', torch.nn.Linear(1, 1)


@pytest.mark.parametrize('zipped', FORMATS)
@pytest.mark.parametrize('number', range(8))
def test_hostile_pickles_do_not_run(tmp_path, zipped, number):
    mark = str(tmp_path / 'it_ran')
    name, attack = list(attacks(mark))[number]
    path = saved(tmp_path, {'state_dict': {'w': torch.zeros(1)}, 'x': attack}, zipped)
    with pytest.raises(MTPError, match='refused') as caught:
        read(path)
    assert not os.path.exists(mark)
    expected = {'system': 'posix.system', 'load': 'numpy.', 'Module': 'torch.nn.modules.linear.Linear',
                '_load_from_bytes': 'torch.storage._load_from_bytes', 'open': 'io.open'}
    assert expected.get(name, name) in str(caught.value) and path in str(caught.value)
    assert not os.path.exists(mark)


def test_our_own_functions_cannot_be_changed(tmp_path):
    """The opcode BUILD sets attributes of whatever stands before it, here of a function on the list."""
    state = b'}(X\x01\x00\x00\x00xK\x01u'
    legacy = b''.join(pickle.dumps(part, 2) for part in (0x1950a86a20f9469cfc6c, 1001, {}))
    path = tmp_path / 'file.pth'
    path.write_bytes(legacy + b'\x80\x02c_codecs\nencode\n' + state + b'b.' + pickle.dumps([], 2))
    with pytest.raises(MTPError, match='refused'):
        read(str(path))


def test_the_attacks_are_real(tmp_path):
    mark = str(tmp_path / 'it_ran')
    pickle.loads(pickle.dumps(dict(attacks(mark))['system']))
    assert os.path.exists(mark)


@pytest.mark.parametrize('zipped', FORMATS)
@pytest.mark.parametrize('keep', [0, 3, 50, 0.3, 0.7, 0.95])
def test_truncated_files(tmp_path, zipped, keep):
    path = saved(tmp_path, {'state_dict': {'w': torch.zeros(1000)}}, zipped)
    with open(path, 'rb') as stream:
        data = stream.read()
    with open(path, 'wb') as stream:
        stream.write(data[:int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(MTPError, match='not a whole PyTorch checkpoint') as caught:
        read(path)
    assert path in str(caught.value) and caught.value.hint


def test_flipped_bytes_are_noticed(tmp_path):
    path = saved(tmp_path, {'w': torch.arange(1000.)})
    with open(path, 'rb') as stream:
        data = bytearray(stream.read())
    place = data.find(np.float32(500).tobytes() + np.float32(501).tobytes())
    data[place] ^= 255
    with open(path, 'wb') as stream:
        stream.write(data)
    with pytest.raises(MTPError, match='not a whole'):
        read(path)


@pytest.mark.parametrize('arguments', [(0, (1000,), (1,)), (-1, (2,), (1,)), (0, (2, 2), (-1, 1)), (3, (2,), (2,))])
def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path, arguments):
    class Forged:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (storage,) + arguments + (False, collections.OrderedDict())

    # storage() is the old typed kind in torch 1.10 and a wrapper of the new one later; both pickle alike.
    storage = torch.zeros(4).storage()
    with pytest.raises(MTPError, match='beyond its storage'):
        read(saved(tmp_path, Forged()))


def test_a_storage_longer_than_the_file_is_not_allocated(tmp_path):
    path = saved(tmp_path, {'w': torch.zeros(10)}, zipped=False)
    with open(path, 'rb') as stream:
        data = stream.read()
    small, huge = b'K\n', b'\x8a\x06\x00\x00\x00\x00\x00\x10'  # 10 and 2^44 as pickled integers
    assert data.count(small) >= 1
    with open(path, 'wb') as stream:
        stream.write(data.replace(small, huge))
    with pytest.raises(MTPError, match='not a whole'):
        read(path)


def test_other_files(tmp_path):
    for name, content in (('text', b'hello'), ('html', b'<!DOCTYPE html>'), ('pickle', pickle.dumps({'a': 1}))):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(MTPError, match='not a whole|PyTorch'):
            read(str(path))
    path = str(tmp_path / 'zip')
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a.txt', 'a')
    with pytest.raises(MTPError, match='zip archive'):
        read(path)
    with pytest.raises(MTPError, match='no checkpoint'):
        read(str(tmp_path / 'nothing'))


@pytest.mark.parametrize('error, says', [
    (RuntimeError('DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ...'), 'SHM_SIZE'),
    (OSError(24, 'Too many open files'), 'ulimit -n'), (OSError(5, 'Input/output error'), 'dmesg')])
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_fault_of_the_machine_is_no_damage_to_the_file(tmp_path, monkeypatch, suffix, error, says):
    """A worker's death was told as damage of the checkpoint that was read just then, and an older one was taken."""
    from mtp.checkpoints import files
    from mtp.checkpoints.writing import save
    path = str(tmp_path / ('a' + suffix))
    save(path, {'blocks.0.w': torch.ones(2)})

    def fail(*_, **__):
        raise error
    monkeypatch.setattr(zipfile.ZipFile, 'open', fail)
    monkeypatch.setattr(files.safetensors(), 'safe_open', fail)
    with pytest.raises(MTPError) as told:
        files.load(path)
    assert says in told.value.hint and 'whole' not in str(told.value)
