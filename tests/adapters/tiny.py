"""A data set of four tiles and a detector small enough to train for two steps in a test."""
import json
import os
import sys

import cv2
import numpy as np
import pytest
import torch

from mtp.errors import MTPError

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
        stem = f'{image}__{SIZE}__{number * SIZE}___0'
        pixels = np.full((SIZE, SIZE, 3), 96, np.uint8)
        lines = ['imagesource:GoogleEarth', 'gsd:0.5']
        for (x, y), shade, name in zip(((8, 6 + number), (34, 30)), (230, 20), classes):
            corners = np.array([[x, y], [x + 22, y + 4], [x + 20, y + 16], [x - 2, y + 12]])
            cv2.fillPoly(pixels, [corners], (shade,) * 3)
            lines.append(' '.join(map(str, corners.reshape(-1))) + f' {name} 0')
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
    module = environment.adapter('detector')
    torch.manual_seed(0)
    model = module.build_model(cfg)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.05)
    torch.save(dict(state_dict=model.state_dict()), path)
    return ['--cfg-options'] + options


def curves(folder):
    """{name: [(step, value)]} of all of TensorBoard's files below ``folder``, by name and step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    found = {}
    for path in sorted(folder.rglob('events.out.tfevents.*')):
        events = EventAccumulator(str(path)).Reload()
        for name in events.Tags()['scalars']:
            found.setdefault(name, []).extend((item.step, item.value) for item in events.Scalars(name))
    return {name: sorted(items) for name, items in found.items()}


SECRET = 'not-for-any-file'
# What both generations call of Weights & Biases; it writes down what it is given, and has no more than they share.
TRACKER = """
import json, os, types
said = dict(lines=[], ended=False)
config, run = types.SimpleNamespace(update=lambda *a, **k: None), types.SimpleNamespace(log_code=lambda *a, **k: None)
def init(**words):
    assert os.environ['WANDB_API_KEY']
    said.update(name=os.environ['WANDB_NAME'], mode=os.environ['WANDB_MODE'])
def log(line, **words):
    said['lines'].append(sorted(line))
def finish():
    said['ended'] = True
    with open(os.path.join(os.environ['WANDB_DIR'], 'sent.json'), 'w') as stream:
        json.dump(said, stream)
"""


def put_tracker(folder):
    """A package ``wandb`` below ``folder``."""
    os.makedirs(str(folder / 'wandb'))
    (folder / 'wandb' / '__init__.py').write_text(TRACKER)


def check_that_curves_lie_beside_the_log_and_go_to_a_tracker(train, place, patch, loss, rate):
    """Train with a tracker; ``loss`` and ``rate`` are what the toolbox calls these curves. No file holds the key."""
    put_tracker(place / 'work' / 'packages')
    patch.setenv('WANDB_API_KEY', SECRET)
    for name in ('MODE', 'PROJECT', 'NAME', 'DIR'):
        patch.setenv('WANDB_' + name, 'x')  # so that it is put back
        patch.delenv('WANDB_' + name)
    patch.setattr(sys, 'path', list(sys.path))
    train('--track=wandb', '--work-dir=work_dirs/tracked')
    folder = place / 'work' / 'tracked'
    sent = json.loads((folder / 'sent.json').read_text())
    assert sent['name'] == 'tracked' and sent['mode'] == 'offline' and sent['ended']
    assert sum(loss in line for line in sent['lines']) == 2
    found = curves(folder)
    assert rate in found and [step for step, _ in found[loss]] == [1, 2]
    texts = [path.read_bytes() for path in folder.rglob('*') if path.is_file()]
    assert len(texts) > 5 and not any(SECRET.encode() in text for text in texts)


def as_slurm_task(patch):
    """Make this process the one task of a step of ``srun``, with a pytest ``monkeypatch``."""
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        patch.setenv(name, 'x')  # so that it is put back
        patch.delenv(name)
    for name, value in (('JOB_ID', '77'), ('STEP_ID', '0'), ('PROCID', '0'), ('LOCALID', '0'), ('NODEID', '0'),
                        ('NTASKS', '1'), ('STEP_NUM_TASKS', '1'), ('JOB_NODELIST', 'localhost'),
                        ('STEP_NODELIST', 'localhost')):
        patch.setenv('SLURM_' + name, value)


class Attack:
    """Makes the file ``mark`` in whoever unpickles it."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def poisoned(path, out, mark, code=False):
    """Write the checkpoint ``path`` to ``out`` with an object that runs, or with a config that does when it is read."""
    content = torch.load(path)
    content['meta'].update({'config': f'import os\nos.mkdir({mark!r})'} if code else {'x': Attack(mark)})
    torch.save(content, out)
    return out


def check_that_nothing_of_a_checkpoint_runs(train, trained, resume):
    """Whichever way it is named to ``train`` (words, options=): ``resume``, ``load_from`` or the model's weights."""
    mark = str(trained.parent / 'it_ran')
    evil = poisoned(str(trained / 'iter_1.pth'), str(trained.parent / 'evil.pth'), mark)
    weights = ['model.init_cfg.type=Pretrained', 'model.backbone.pretrained=None', 'model.init_cfg.checkpoint=']
    ways = (((resume, evil), ()), ((), ['load_from=' + evil]), ((), weights[:2] + [weights[2] + evil]))
    for words, options in ways:
        with pytest.raises(MTPError, match='mkdir, which is refused'):
            train('--work-dir=work_dirs/evil', *words, options=options)
    with pytest.raises(MTPError, match='http://127.0.0.1:9/w.pth is an address'):
        train('--work-dir=work_dirs/evil', options=weights[:2] + [weights[2] + 'http://127.0.0.1:9/w.pth'])
    code = poisoned(str(trained / 'iter_1.pth'), str(trained.parent / 'code.pth'), mark, code=True)
    train('--work-dir=work_dirs/code', resume, code)  # the toolbox would run the config that the checkpoint recorded
    assert not os.path.exists(mark)
