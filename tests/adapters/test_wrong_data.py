"""Data that cannot be trained on, and are told before the first step, in whichever environment this is."""
import os
import shutil

import pytest

from mtp.adapters import environment
from mtp.errors import MTPError
from tests import environments
from tests.adapters import tiny

NAME = environments.of_the_record() or pytest.skip('no toolbox is installed', allow_module_level=True)
CONFIG = 'configs/mtp/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py'
STEPS = {
    'mmrotate1': ['train_cfg.max_iters=2', 'train_dataloader.batch_size=2', 'optim_wrapper.paramwise_cfg.num_layers=4'],
    'mmrotate03': ['runner.max_iters=2', 'data.samples_per_gpu=2', 'optimizer.paramwise_cfg.num_layers=4'],
}[NAME]


@pytest.fixture
def tiles(place, tmp_path, monkeypatch):
    """A copy of the training tiles, which may be spoilt."""
    shutil.copytree(str(place / 'data'), str(tmp_path / 'data'))
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path / 'data'))
    return tmp_path / 'data' / 'demo_dotav1' / 'train'


def refused(tmp_path, message):
    with pytest.raises(MTPError, match=message):
        environment.command_line().train(
            [CONFIG, '--work-dir', str(tmp_path / 'run'), '--cfg-options', *tiny.NARROW, *STEPS])


def test_labels_without_an_object(tiles, tmp_path):
    for path in (tiles / 'annfiles').iterdir():
        path.write_text('imagesource:GoogleEarth\ngsd:0.5\n')
    refused(tmp_path, 'no image is left to train on: the labels in .*annfiles.*hold no object')


def test_tiles_of_another_type(tiles, tmp_path):
    for path in (tiles / 'images').iterdir():
        os.rename(str(path), str(path)[:-3] + 'jpg')
    refused(tmp_path, 'png is missing; P0000__64__0___0.jpg is there')
