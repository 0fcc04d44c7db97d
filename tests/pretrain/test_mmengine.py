"""Our checkpoints are mmengine's, too."""
import os

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner, find_latest_checkpoint
from small_model import build
from torch.utils.data import DataLoader

from mtp.pretrain import tasks
from mtp.pretrain.engine import checkpoints
from mtp.pretrain.model import backbones

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)


def test_the_runner_loads_and_resumes_from_our_files(tmp_path):
    trained = build(('rd',), ('sota',))
    optimizer = torch.optim.AdamW(trained.parameters(), lr=0.1)
    sum(value.sum() for value in trained.parameters()).backward()
    optimizer.step()
    checkpoints.save(str(tmp_path), 'Iter_7_x_rd_pretrn_model', trained, optimizer, 7, 2, {'seed': 1})
    path = find_latest_checkpoint(str(tmp_path))  # a bare name: a run may be moved
    assert path == 'Iter_7_x_rd_pretrn_model.pth'
    path = str(tmp_path / path)

    fresh = build(('rd',), ('sota',))
    runner = Runner(fresh, str(tmp_path / 'work'), train_dataloader=DataLoader([0]),
                    train_cfg=dict(type='IterBasedTrainLoop', max_iters=9),
                    optim_wrapper=dict(type='OptimWrapper', optimizer=torch.optim.AdamW(fresh.parameters(), lr=0.1)),
                    cfg=Config(dict(experiment_name='taken')), default_scope='mmengine')
    with torch.no_grad():
        next(fresh.parameters()).zero_()
    runner.load_checkpoint(path)
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in fresh.state_dict().items())
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.resume(path)
    assert (runner.iter, runner.epoch) == (7, 2)
    assert runner.optim_wrapper.optimizer.state_dict()['state'][0]['step'] == 1


@pytest.mark.parametrize('name', sorted(backbones.BACKBONES))
def test_our_configs_are_mmengine_configs(name):
    found = Config.fromfile(os.path.join(ROOT, 'configs', 'pretrain', name + '.json'))
    assert found.backbone == name and found.tasks == list(tasks.TASKS)
