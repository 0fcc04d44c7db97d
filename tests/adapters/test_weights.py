import pytest
import torch

from mtp.adapters.weights import load_into, not_drawn
from mtp.errors import MTPError
from mtp.nn import RVSA


def model(classes=2, img_size=64):
    parts = torch.nn.Module()
    parts.backbone = RVSA(img_size=img_size, embed_dim=16, depth=2, num_heads=2, interval=2, out_indices=[0, 1],
                          use_abs_pos_emb=True, variant='det_branches')
    parts.head = torch.nn.Linear(16, classes)
    return parts


def saved(parts, path):
    torch.save({'state_dict': parts.state_dict(), 'meta': {}}, str(path))
    return str(path)


def test_all_tensors_of_the_same_model(tmp_path):
    source, target = model(), model()
    report = load_into(target, saved(source, tmp_path / 'a.pth'), must_fit=True)
    for name, value in source.state_dict().items():
        assert torch.equal(value, target.state_dict()[name]), name
    assert report == '{0} of {0} tensors loaded'.format(len(source.state_dict()))


def test_a_head_for_other_classes_is_an_error_in_a_test_and_kept_in_training(tmp_path):
    path, target = saved(model(3), tmp_path / 'a.pth'), model(2)
    before = target.head.weight.clone()
    with pytest.raises(MTPError, match='2 of another shape.*head.weight'):
        load_into(target, path, must_fit=True)
    assert '2 of another shape (head.weight, head.bias)' in load_into(target, path, must_fit=False)
    assert torch.equal(before, target.head.weight)


def test_another_image_size_resizes_the_position_embedding(tmp_path):
    source, target = model(img_size=64), model(img_size=96)
    torch.nn.init.constant_(source.backbone.pos_embed, 0.25)
    report = load_into(target, saved(source, tmp_path / 'a.pth'), must_fit=False)
    assert '1 resized (backbone.pos_embed)' in report
    assert torch.allclose(target.backbone.pos_embed, torch.tensor(0.25))


def test_a_missing_tensor_is_an_error_in_a_test(tmp_path):
    state = model().state_dict()
    del state['head.bias']
    torch.save(state, str(tmp_path / 'a.pth'))
    with pytest.raises(MTPError, match='1 missing.*head.bias'):
        load_into(model(), str(tmp_path / 'a.pth'), must_fit=True)


def test_a_checkpoint_of_something_else(tmp_path):
    torch.save({'state_dict': {'other.weight': torch.zeros(2)}}, str(tmp_path / 'a.pth'))
    with pytest.raises(MTPError, match='does not fit'):
        load_into(model(), str(tmp_path / 'a.pth'), must_fit=False)


def test_a_model_that_is_not_drawn_takes_no_random_numbers_and_fits_its_checkpoint(tmp_path):
    source = model()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with pytest.raises(RuntimeError, match='stop'), not_drawn():
        raise RuntimeError('stop')
    with not_drawn():
        target = model()
    assert torch.equal(torch.rand(3), expected)
    load_into(target, saved(source, tmp_path / 'a.pth'), must_fit=True)
    for name, value in source.state_dict().items():
        assert torch.equal(value, target.state_dict()[name]), name
    assert model().head.weight.abs().sum() > 0 and not torch.equal(torch.rand(3), expected)  # drawn again
