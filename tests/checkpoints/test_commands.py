"""The command lines: inspect, convert, check, and scripts/change_ckpt.py."""
import hashlib
import json
import os
import subprocess
import sys

import pytest
import torch

from mtp.checkpoints import __main__ as commands
from mtp.checkpoints import change, check, load
from mtp.checkpoints.__main__ import main
from mtp.errors import FAILED, OK, MTPError

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)


@pytest.fixture
def model(tmp_path, whole_model):
    path = str(tmp_path / 'last_pretrn_model.pth')
    torch.save({'state_dict': whole_model, 'epoch': 3, 'iteration': 7, 'optimizer': {}}, path)
    return path


def test_inspect(model, capsys):
    assert main(['inspect', model]) == OK
    text = capsys.readouterr().out
    with open(model, 'rb') as stream:
        assert hashlib.sha256(stream.read()).hexdigest() in text
    assert 'mtp_model' in text and 'meta     epoch: 3' in text and 'encoder.blocks.*.attn.qkv.weight (6)' in text
    assert main(['inspect', model, '--keys']) == OK
    assert 'encoder.pos_embed  (1, 16, 16)  float32' in capsys.readouterr().out
    assert main(['inspect', model, '--json']) == OK
    facts = json.loads(capsys.readouterr().out)
    assert facts['keys']['encoder.pos_embed'] == [[1, 16, 16], 'float32'] and facts['bytes'] == os.path.getsize(model)


def test_convert_and_its_safety(model, tmp_path, capsys):
    out = str(tmp_path / 'detector.pth')
    assert main(['convert', model, out, '--to', 'mmrotate03', '--head', 'fast']) == OK
    assert '(mtp)' in capsys.readouterr().out
    made = load(out)
    assert made.state_dict['roi_head.bbox_head.fc_cls.weight'].shape == (38, 4)
    assert made.meta == {'epoch': 3, 'iteration': 7}
    with pytest.raises(MTPError, match='exists'):
        main(['convert', model, out, '--to', 'mmrotate1'])
    assert main(['convert', model, out, '--to', 'encoder', '--overwrite']) == OK
    assert load(out).layout == 'encoder'
    # The result is plain: torch's own loader of today takes it with its strictest setting.
    if 'weights_only' in torch.load.__doc__:
        torch.load(out, weights_only=True)


def test_convert_to_safetensors_and_back(model, tmp_path, encoder):
    there, back = str(tmp_path / 'encoder.safetensors'), str(tmp_path / 'encoder.pth')
    assert main(['convert', model, there, '--to', 'encoder']) == OK
    assert load(there).layout == 'encoder' and load(there).meta == {'epoch': '3', 'iteration': '7'}
    assert main(['convert', there, back, '--to', 'encoder']) == OK
    found = load(back).state_dict
    assert set(found) == set(encoder) and all(torch.equal(found[key], value) for key, value in encoder.items())


@pytest.mark.parametrize('source, words', [('mmseg', 'no backbone in layout mmseg'), ('encoder', 'encoder.pos_embed')])
def test_a_failed_convert_names_the_file_and_leaves_nothing(model, tmp_path, source, words):
    out = tmp_path / 'out' / 'x.pth'
    with pytest.raises(MTPError, match=words) as caught:
        main(['convert', model, str(out), '--from', source, '--to', 'mmrotate1'])
    assert model in str(caught.value) and caught.value.hint
    assert not out.parent.exists()


def test_check_against_a_backbone(tmp_path, capsys, monkeypatch, encoder):
    from checkpoint_parts import backbone
    monkeypatch.setattr('mtp.nn.build', lambda name, **settings: backbone(**settings))
    path = str(tmp_path / 'x.pth')
    torch.save(encoder, path)
    assert main(['check', path, '--backbone', 'vit_t_rvsa', '--variant', 'seg', '--img-size', '112']) == OK
    assert '5 resized' in capsys.readouterr().out


def test_check_against_the_model_of_a_config(tmp_path, capsys, monkeypatch, detector):
    path = str(tmp_path / 'x.pth')
    torch.save({'state_dict': detector}, path)

    class Model:
        @staticmethod
        def state_dict():
            return detector

    monkeypatch.setattr(commands, 'model_of_config', lambda config: Model)
    assert main(['check', path, '--config', 'c.py']) == OK
    detector = dict(detector, **{'neck.new': torch.zeros(1), 'roi_head.bbox_head.fc_cls.weight': torch.zeros(11, 4)})
    assert main(['check', path, '--config', 'c.py']) == FAILED
    text = capsys.readouterr().out
    assert 'fc_cls.weight: the file has (16, 4), the model wants (11, 4)' in text and 'missing: neck.new' in text


def test_published_files_are_known_by_their_hash(tmp_path):
    path = tmp_path / 'w.pth'
    path.write_bytes(b'12345')
    entry = dict(name='w.pth', what='thing', bytes=5, sha256=None)
    assert 'no hash is known' in check.compare_with_manifest(str(path), {'w.pth': entry})
    entry['sha256'] = hashlib.sha256(b'12345').hexdigest()
    assert check.compare_with_manifest(str(path), {'w.pth': entry}) == 'the published thing'
    path.write_bytes(b'12346')
    with pytest.raises(MTPError, match='sha256.*published is'):
        check.compare_with_manifest(str(path), {'w.pth': entry})
    path.write_bytes(b'123')
    with pytest.raises(MTPError, match='bytes is 3, published is 5'):
        check.compare_with_manifest(str(path), {'w.pth': entry})
    assert 'not a published' in check.compare_with_manifest(str(path), {})


@pytest.mark.parametrize('task, suffix, key', [
    ('rotdet', '_rot', 'roi_head.bbox_head.shared_fcs.0.weight'), ('insseg', '_ins', 'rpn_head.rpn_conv.weight'),
    ('semseg', '_seg', 'decode_head.bottleneck.conv.weight')])
def test_change_ckpt_covers_every_decoder(model, capsys, task, suffix, key):
    assert change.main([model, '--task', task]) == OK
    made = load(model.replace('.pth', suffix + '.pth'))
    assert key in made.state_dict and 'backbone.pos_embed' in made.state_dict
    assert not any(name.startswith(('encoder', 'semseghead', 'inssegroi', 'rotdetroi')) for name in made.state_dict)
    assert ('channels=256' in capsys.readouterr().out) == (task == 'semseg')


def test_change_ckpt_without_arguments_is_the_published_command(tmp_path, whole_model):
    os.makedirs(str(tmp_path / 'weights'))
    name = 'last_vit_b_rvsa_ss_is_rd_pretrn_model'
    torch.save({'state_dict': whole_model}, str(tmp_path / 'weights' / (name + '.pth')))
    environment = dict(os.environ, PYTHONPATH=ROOT)
    environment.pop('MTP_WEIGHTS_ROOT', None)
    subprocess.run([sys.executable, os.path.join(ROOT, 'scripts', 'change_ckpt.py')], cwd=str(tmp_path), check=True,
                   env=environment)
    assert load(str(tmp_path / 'weights' / (name + '_rot.pth'))).layout == 'openmmlab2'


def test_change_ckpt_refuses_an_encoder(tmp_path, encoder):
    path = str(tmp_path / 'e.pth')
    torch.save(encoder, path)
    with pytest.raises(MTPError, match='not a whole pretraining model'):
        change.main([path])
    with pytest.raises(MTPError, match='--out'):
        change.main([path, path, '--out', 'x.pth'])
    with pytest.raises(MTPError, match='no checkpoint'):
        change.main([str(tmp_path / 'nothing.pth')])
