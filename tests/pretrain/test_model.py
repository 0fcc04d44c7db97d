"""Subsets, empty images, decoders' sharing, and the switches of the recipe."""
import pytest
import torch
from small_model import SIDE, build, example
from torch import nn

from mtp.errors import MTPError
from mtp.pretrain.model.model import total
from mtp.pretrain.model.norm import SingleValueBN


@pytest.mark.parametrize('tasks, datasets, absent', [
    (('ss',), ('fast',), ('insseg', 'rotdet', 'semseghead_1', 'semseghead_2')),
    (('rd', 'is'), ('sior', 'sota'), ('semseg', 'fc_cls3', 'maskhead_conv3')),
    (('is',), ('sota', 'sior', 'fast'), ('semseg', 'rotdet')),
])
def test_a_subset_builds_and_trains_only_itself(tasks, datasets, absent):
    model = build(tasks, datasets)
    assert not [key for key in model.state_dict() if any(part in key for part in absent)]
    losses = model({name: example() for name in datasets})
    assert {tuple(name.split('/')[:2]) for name in losses} == {(task, name) for task in tasks for name in datasets}
    total(losses).backward()
    assert not [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]


def test_nothing_to_train_is_refused():
    with pytest.raises(MTPError, match='at least one task'):
        build(tasks=())


def test_images_without_objects_give_finite_losses_and_all_gradients():
    model = build()
    losses = model({'sota': example(0), 'fast': example(0)})
    total(losses).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert not [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]


def test_an_image_in_which_no_anchor_fits_teaches_the_proposal_layers_nothing():
    """The toolbox's own head ends the run there: 'no valid anchor inside the image boundary'."""
    model = build(('rd',), ('sota', 'fast'))
    losses = model({'sota': example(1, shape=(22, 64)), 'fast': example(1)})
    total(losses).backward()
    for part in ('loss_rpn_cls', 'loss_rpn_bbox'):
        assert float(losses['rd/sota/' + part]) == 0 < float(losses['rd/fast/' + part])
    assert float(losses['rd/sota/loss_cls']) > 0 and torch.isfinite(total(losses))
    assert not [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]


def test_an_image_in_which_no_anchor_fits_leaves_its_neighbour_as_it_is():
    model = build(('rd',), ('sota',))
    small, large = example(1, shape=(22, 64)), example(1, seed=2)
    both = type(small)(torch.cat([small.images, large.images]), small.truths + large.truths)
    alone, together = (float(model({'sota': batch})['rd/sota/loss_rpn_cls']) for batch in (large, both))
    assert together == pytest.approx(alone, rel=0.05)  # the toolboxes count an image with nothing as two samples


def test_sharing_the_decoders_changes_nothing(monkeypatch):
    """Losses of two data sets at once = losses of each alone (box sampling made deterministic)."""
    from mmdet.models.task_modules.samplers import RandomSampler
    monkeypatch.setattr(RandomSampler, 'random_choice', lambda self, gallery, num: gallery[:num])
    both = build(('is', 'rd'), ('sota', 'fast'))
    together = both({'sota': example(seed=1), 'fast': example(1, seed=2)})
    for name, seed, objects in (('sota', 1, 2), ('fast', 2, 1)):
        alone = build(('is', 'rd'), (name,))
        alone.load_state_dict({key: both.state_dict()[key] for key in alone.state_dict()})
        for key, value in alone({name: example(objects, seed=seed)}).items():
            assert float(together[key]) == pytest.approx(float(value), rel=1e-4), key


def test_released_code_regresses_ones():
    paper, released = build(('is',), ('sota',)), build(('is',), ('sota',), recipe='released_code')
    for model in (paper, released):
        nn.init.zeros_(model.inssegroiboxhead_fc_reg1.weight)
        nn.init.ones_(model.inssegroiboxhead_fc_reg1.bias)
    torch.manual_seed(3)
    assert float(released({'sota': example()})['is/sota/loss_bbox']) == 0
    assert float(paper({'sota': example()})['is/sota/loss_bbox']) > 0


def test_without_background_unlabelled_pixels_are_ignored():
    model = build(('ss',), ('sota',), background=False)
    assert model.semseghead_1[1].weight.shape[0] == 18
    labels = torch.zeros(1, 8, 8, dtype=torch.int64)
    assert float(model.semsegdecoder.loss(torch.randn(1, 18, 4, 4), labels)) == 0
    labels[:] = 18
    assert float(model.semsegdecoder.loss(torch.randn(1, 18, 4, 4), labels)) > 0


def test_semantic_loss_is_averaged_over_ignored_pixels_too():
    model, labels = build(('ss',), ('sota',)), torch.ones(1, 4, 4, dtype=torch.int64)
    logits = torch.zeros(1, 19, 4, 4)
    whole = float(model.semsegdecoder.loss(logits, labels))
    labels[0, :2] = 255
    assert float(model.semsegdecoder.loss(logits, labels)) == pytest.approx(whole / 2)


def test_one_value_a_channel_is_normalised_by_running_statistics():
    norm, x = SingleValueBN(3), torch.tensor([2.0, 3.0, 4.0]).view(1, 3, 1, 1)
    assert norm(x).flatten().tolist() == pytest.approx([2, 3, 4], abs=1e-4)
    assert torch.equal(norm.running_mean, torch.zeros(3))
    stock, two = nn.BatchNorm2d(3), torch.randn(2, 3, 1, 1)
    assert torch.equal(norm(two), stock(two)) and torch.equal(norm.running_var, stock.running_var)


def test_padding_is_zero_after_normalising():
    ready = example(shape=(40, 56))
    assert float(ready.images[0, :, 40:].abs().max()) == 0 == float(ready.images[0, :, :, 56:].abs().max())
    assert float(ready.images[0, :, :40, :56].abs().max()) > 0
    assert ready.truths[0].meta['pad_shape'] == (64, 64)


def test_predict_gives_every_task():
    model = build().eval()
    ready = example()
    found = model.predict(ready.images, [ready.truths[0].meta], 'fast')
    assert found['ss'][0].shape == (SIDE, SIDE) and set(found) == {'ss', 'is', 'rd'}
    assert found['is'][0].masks.shape[1:] == (SIDE, SIDE)


def test_a_single_stage_detector_fills_the_proposal_network_of_the_instance_decoder(capsys):
    from collections import OrderedDict

    from mtp.pretrain.model import decoder_configs
    from mtp.pretrain.model.detectors import InstanceSegmenter
    decoder = InstanceSegmenter([16] * 4, decoder_configs.REDUCED, {'sota': 3})
    old = OrderedDict((key.replace('rpn_head.', 'bbox_head.', 1) if key.startswith('rpn_head.') else key, value + 1)
                      for key, value in decoder.state_dict().items())
    assert any(key.startswith('bbox_head.') for key in old)
    found = decoder.load_state_dict(old)
    assert not found.missing_keys and not found.unexpected_keys and 'proposal network' in capsys.readouterr().out
    assert all((value == old[key.replace('rpn_head.', 'bbox_head.', 1) if key.startswith('rpn_head.') else key]).all()
               for key, value in decoder.state_dict().items())
