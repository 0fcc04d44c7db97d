"""Half precision and activation checkpointing: what they change, and what they must not."""
import pytest
import torch
from small_model import build, example

from mtp.pretrain import recipe
from mtp.pretrain.data import batch
from mtp.pretrain.engine import checkpoints, runner
from mtp.pretrain.model import backbones
from mtp.pretrain.model.model import PretrainModel, total


def model(use_ckpt=False, half=None, datasets=('sota',)):
    torch.manual_seed(0)
    encoder, _ = backbones.build('vit_t_rvsa', 64, recipe.get('paper'), use_ckpt)
    return PretrainModel(encoder, ['ss'], datasets, 'paper', backbones.size('vit_t_rvsa'), half=half)


def gradients(network):
    torch.manual_seed(1)
    losses = network({'sota': example()})
    total(losses).backward()
    found = {name: value.grad for name, value in network.named_parameters() if value.grad is not None}
    return float(total(losses)), found


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
    raw = batch.DatasetBatch(torch.randint(0, 256, (1, 3, 64, 64)), example().truths, example().seg)
    ready = batch.prepare(raw).to('cuda')
    scaler.scale(total(network({'sota': ready}))).backward()
    assert all(torch.isfinite(value.grad).all() for value in network.parameters() if value.grad is not None)


def test_loss_scaling_goes_round_the_step_in_order(monkeypatch):
    """The real scaler needs a GPU; what is called in which order does not."""
    from mmengine.optim.optimizer import amp_optimizer_wrapper
    calls = []

    class Recorder:
        def scale(self, loss):
            calls.append('scale')
            return loss * 4

        def unscale_(self, optimizer):
            calls.append('unscale')
            for group in optimizer.param_groups:
                for value in group['params']:
                    value.grad /= 4

        def step(self, optimizer):
            calls.append('step')
            optimizer.step()

        def update(self, _):
            calls.append('update')

    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', Recorder)
    moved = {}
    for half in (None, torch.float16):
        network = torch.nn.Linear(3, 2)
        torch.nn.init.constant_(network.weight, 0.5)
        network.half = half
        wrapper = runner.optimizer(network, [dict(params=list(network.parameters()))], 0.1)
        wrapper.update_params((network.weight * torch.arange(6.0).view(2, 3)).sum() + network.bias.sum() * 0)
        moved[half] = float(wrapper.norm), network.weight.detach().clone()
    assert calls == ['scale', 'unscale', 'step', 'update']
    assert moved[None][0] == moved[torch.float16][0] == pytest.approx(55 ** 0.5)
    assert torch.equal(moved[None][1], moved[torch.float16][1]) and runner.scaler(wrapper)


def test_gradients_are_clipped_over_the_model_in_its_own_order():
    """The last bits of the norm depend on the order; the groups' order differs from one encoder to another."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(*(torch.nn.Linear(7, 7) for _ in range(20)))
    network.half = None
    wrapper = runner.optimizer(network, [dict(params=list(network.parameters())[place::3]) for place in range(3)], 0.1)
    wrapper.backward(network(torch.randn(5, 7)).square().sum() * 1e6)
    values = [value.grad.clone() for value in network.parameters()]
    norm = torch.norm(torch.stack([torch.norm(value) for value in values]))
    wrapper.step()
    assert torch.equal(wrapper.norm, norm) and float(norm) > runner.GRADIENT_NORM
    factor = runner.GRADIENT_NORM / (norm + 1e-6)
    assert all(torch.equal(value.grad, old * factor) for value, old in zip(network.parameters(), values))


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
    path = checkpoints.save(str(tmp_path), 'Iter_3_x_pretrn_model', network, optimizer, 3, 0, {}, Scaler(1024.0))
    fresh = Scaler(1.0)
    checkpoints.restore(checkpoints.load(path), network, optimizer, fresh)
    assert fresh.scale == 1024.0
