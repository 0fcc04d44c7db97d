"""Half precision and activation checkpointing: what they change, and what they must not."""
import pytest
import torch
from small_model import build, example

from mtp.pretrain import backbones, batch, recipe, snapshots
from mtp.pretrain.model import PretrainModel, total


def model(use_ckpt=False, half=None, datasets=('sota',)):
    torch.manual_seed(0)
    encoder, _ = backbones.build('vit_t_rvsa', 64, recipe.get('paper'), use_ckpt)
    return PretrainModel(encoder, ['ss'], datasets, 'paper', backbones.BACKBONES['vit_t_rvsa'].size, half=half)


def gradients(network):
    torch.manual_seed(1)
    losses = network({'sota': example()})
    total(losses).backward()
    return float(total(losses)), {name: value.grad for name, value in network.named_parameters() if value.grad is not None}


def test_checkpointing_changes_no_gradient():
    plain, saving = gradients(model()), gradients(model(use_ckpt=True))
    assert plain[0] == saving[0] and list(plain[1]) == list(saving[1])
    for name, value in plain[1].items():
        assert float((value - saving[1][name]).abs().max()) <= 1e-4 * max(float(value.abs().max()), 1e-6), name


def test_bfloat16_encoder_on_the_processor():
    exact, half = gradients(model()), gradients(model(half=torch.bfloat16))
    assert half[0] == pytest.approx(exact[0], rel=0.02) and half[0] != exact[0]
    assert all(value.dtype == torch.float32 and torch.isfinite(value).all() for value in half[1].values())
    assert all(level.dtype == torch.float32 for level in model(half=torch.bfloat16).encode(torch.zeros(1, 3, 64, 64)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16])
def test_half_precision_on_the_gpu(half):
    network = model(half=half).cuda()
    scaler = torch.cuda.amp.GradScaler(enabled=half == torch.float16)
    ready = batch.prepare(batch.DatasetBatch(torch.randint(0, 256, (1, 3, 64, 64)), example().truths, example().seg)).to('cuda')
    scaler.scale(total(network({'sota': ready}))).backward()
    assert all(torch.isfinite(value.grad).all() for value in network.parameters() if value.grad is not None)


class Scaler:
    """What of a GradScaler a checkpoint sees; the real one is switched off without CUDA."""

    def __init__(self, scale):
        self.scale = scale

    def state_dict(self):
        return dict(scale=self.scale, growth_factor=2.0, _growth_tracker=7)

    def load_state_dict(self, state):
        self.scale = state['scale']


def test_the_scaler_is_saved_and_restored(tmp_path):
    network = build(('ss',), ('sota',))
    optimizer = torch.optim.AdamW(network.parameters())
    path = snapshots.save(str(tmp_path), 'Iter_3_x_pretrn_model', network, optimizer, 3, 0, {}, Scaler(1024.0))
    fresh = Scaler(1.0)
    assert snapshots.restore(snapshots.load(path), network, optimizer, fresh) == (3, 0) and fresh.scale == 1024.0
