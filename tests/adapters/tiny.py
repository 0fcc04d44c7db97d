"""A data set of four tiles and a detector small enough to train for two steps in a test."""
import os

import cv2
import numpy as np

SIZE = 64
# Key = value words for the demo configs: a quarter of the depth, a quarter of the width.
NARROW = ['model.backbone.embed_dim=32', 'model.backbone.depth=4', 'model.backbone.num_heads=2',
          'model.backbone.interval=2', 'model.backbone.out_indices=[0,1,2,3]', 'model.backbone.img_size=64',
          'model.neck.in_channels=[32,32,32,32]']


def write_tiles(folder, classes, count=4, image='P0000'):
    """``images`` and ``annfiles`` below ``folder``: one bright and one dark rectangle a tile, two different classes."""
    os.makedirs(os.path.join(folder, 'images'))
    os.makedirs(os.path.join(folder, 'annfiles'))
    for number in range(count):
        stem = '{}__{}__{}___0'.format(image, SIZE, number * SIZE)
        pixels = np.full((SIZE, SIZE, 3), 96, np.uint8)
        lines = ['imagesource:GoogleEarth', 'gsd:0.5']
        for (x, y), shade, name in zip(((8, 6 + number), (34, 30)), (230, 20), classes):
            corners = np.array([[x, y], [x + 22, y + 4], [x + 20, y + 16], [x - 2, y + 12]])
            cv2.fillPoly(pixels, [corners], (shade,) * 3)
            lines.append(' '.join(map(str, corners.reshape(-1))) + ' {} 0'.format(name))
        cv2.imwrite(os.path.join(folder, 'images', stem + '.png'), pixels)
        with open(os.path.join(folder, 'annfiles', stem + '.txt'), 'w') as stream:
            stream.write('\r\n'.join(lines) + '\r\n')


def write_whole(folder, count=4, image='P0000'):
    """The uncut image of :func:`write_tiles`."""
    os.makedirs(folder)
    cv2.imwrite(os.path.join(folder, image + '.png'), np.full((SIZE, SIZE * count, 3), 96, np.uint8))


def write_weights(path, config, *words):
    """A checkpoint of the detector of ``config`` that was never trained, so that it finds something everywhere.

    Returns:
        Options for the command line: those of :data:`NARROW` for tiles of 256 pixels, and a low score.
    """
    import argparse
    import importlib

    import torch

    from mtp.adapters import environment
    cli = environment.command_line()
    options = [word for word in NARROW if 'img_size' not in word] + [
        'model.test_cfg.rcnn.score_thr=0.0', 'model.test_cfg.rpn.max_per_img=20', *words]
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=cli.DictAction)
    given = parser.parse_args(['--cfg-options'] + options).cfg_options
    cfg = cli.load(argparse.Namespace(config=config, cfg_options=given, work_dir=None, launcher='none', local_rank=None,
                                      rehearse=False), 'test')
    module = importlib.import_module('mtp.adapters.{}.detector'.format(environment.name()))
    torch.manual_seed(0)
    model = module.build_model(cfg)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.05)
    torch.save(dict(state_dict=model.state_dict()), path)
    return ['--cfg-options'] + options


def as_slurm_task(patch):
    """Make this process the one task of a step of ``srun``, with a pytest ``monkeypatch``."""
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        patch.setenv(name, 'x')  # so that it is put back
        patch.delenv(name)
    for name, value in (('JOB_ID', '77'), ('STEP_ID', '0'), ('PROCID', '0'), ('LOCALID', '0'), ('NODEID', '0'),
                        ('NTASKS', '1'), ('STEP_NUM_TASKS', '1'), ('JOB_NODELIST', 'localhost'),
                        ('STEP_NODELIST', 'localhost')):
        patch.setenv('SLURM_' + name, value)
