"""Every reader of files that are not ours, and of our own after a crash. A reader more is an entry of READERS.

An entry says how a whole file is made, what reads it, and how it is changed besides by bytes. ``make(folder)`` returns
the path of a whole file in ``folder``; ``read(path)`` returns, or raises an MTPError, whatever is in the file.
"""

import importlib
import json
import os
import pickle
import shutil
import sys
import zipfile
from collections import OrderedDict, namedtuple
from functools import partial

import fuzz_changes as changes

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'pickled'))
import opcodes  # noqa: E402

Reader = namedtuple('Reader', 'make read special')
ATTACKS = [body for _, body in opcodes.attacks() if len(body) < 100000]


def module(name):
    """A module of the package, imported when it is needed."""
    return importlib.import_module('mtp.' + name)


def samples(kind, *parts):
    """Make the sample set ``kind`` once; ``make(folder)`` copies the first file below ``parts`` of it."""

    def make(folder):
        store = os.path.join(os.path.dirname(folder), 'samples')
        main = module('data.samples.__main__')
        if not os.path.isdir(os.path.join(store, main.SETS[kind][2])):
            main.main([kind, '--out', store, '--images', '2'])
        place = os.path.join(store, *parts)
        if os.path.isdir(place):
            place = os.path.join(place, sorted(name for name in os.listdir(place) if not name.startswith('.'))[0])
        return shutil.copy(place, folder)

    return make


def checkpoint(folder, zipped=True):
    """A checkpoint with what real ones hold: tensors and views, an optimizer, histories, numbers of NumPy."""
    import numpy as np
    import torch

    layer = torch.nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    base = torch.arange(24.0).reshape(4, 6)
    value = dict(
        state_dict=OrderedDict(
            layer.state_dict(),
            turned=base.t(),
            part=base[1:3, ::2],
            flag=base > 3,
            half=base.half(),
            **{'blocks.0.w': base},
        ),
        optimizer=optimizer.state_dict(),
        meta=dict(epoch=1, iter=2, CLASSES=('a', 'b'), time='now'),
        message_hub=dict(log_scalars={'loss': np.arange(5.0)}, best=np.float64(0.5), names=np.array(['a', 'bc'])),
    )
    path = os.path.join(folder, 'whole.pth')
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def safetensors(folder):
    """A file of two tensors."""
    import torch

    path = os.path.join(folder, 'whole.safetensors')
    module('checkpoints.writing').safetensors().torch.save_file(
        {'blocks.0.w': torch.ones(3), 'b': torch.ones(2, 2)}, path
    )
    return path


def open_checkpoint(path):
    """As ``inspect --keys`` and ``convert`` do: read, describe, write."""
    found = module('checkpoints').load(path)
    text = repr(found.meta) + module('checkpoints.share').families(found.state_dict)
    total = sum(float(value.double().abs().sum()) for value in found.state_dict.values() if not value.is_complex())
    return text, total, repr(found.rest)[:1000]


def labels(folder):
    """A list of instances with everything that label files may hold."""
    import numpy as np

    path = os.path.join(folder, 'whole.pkl')
    value = [
        dict(
            bbox=np.arange(4.0),
            label=np.int64(3),
            category='ship',
            mask=dict(size=[8, 8], counts=b'0@'),
            size=0,
            also={1, 2},
            tree=OrderedDict(a=(1, 2.5, None)),
        )
    ] * 2
    with open(path, 'wb') as stream:
        pickle.dump(value, stream, 2)
    return path


def picture(folder, suffix):
    """A small picture of a slope."""
    import cv2
    import numpy as np

    slope = np.add.outer(np.arange(70), np.arange(50)).astype(np.uint8)
    path = os.path.join(folder, 'whole' + suffix)
    cv2.imwrite(path, np.dstack([slope, slope[::-1], 255 - slope]))
    return path


def all_rows(path):
    """Every pixel, in strips, as the cutter reads them."""
    found = module('tiles.rows').open_rows(path)
    for start in range(0, found.height, 16):
        found.take(start, min(start + 16, found.height))


def written(name, text):
    """``make`` of a file with this text."""

    def make(folder):
        path = os.path.join(folder, name)
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write(text)
        return path

    return make


def submission(folder):
    """A zip of DOTA texts; the pictures that it is of lie beside the folder."""
    names = module('data.catalogue').get('dotav1').classes
    pictures = os.path.join(os.path.dirname(folder), 'pictures')
    os.makedirs(pictures, exist_ok=True)
    shutil.copy(picture(folder, '.png'), os.path.join(pictures, 'P0001.png'))
    os.unlink(os.path.join(folder, 'whole.png'))
    path = os.path.join(folder, 'whole.zip')
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(f'Task1_{name}.txt', 'P0001 0.9 1 1 20 1 20 20 1 20\n' * 3)
    return path


def check_submission(path):
    """As ``python -m mtp.submit validate``."""
    pictures = os.path.join(os.path.dirname(os.path.dirname(path)), 'pictures')
    return str(module('submit.validate').validate(path, 'dotav1', pictures))


def shard(folder):
    """One rank's detections of two tiles."""
    import numpy as np

    shards = module('tiles.shards')
    with shards.ShardWriter(folder, 0, 1, ('a', 'b'), 'mark') as writer:
        for tile in ('P0001__1__0___0', 'P0001__1__0___200'):
            writer.append(tile, np.ones((2, 5), np.float32), np.ones(2, np.float32), np.zeros(2, np.int64))
    return next(os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith('.shard'))


def read_shard(path):
    """As a merge does."""
    return list(module('tiles.shards').read_shards(os.path.dirname(path)))


PASSPORT = {
    'schema': 1,
    'kind': 'finetune',
    'status': 'complete',
    'started': 'a',
    'finished': 'b',
    'seed': 1,
    'processes': 1,
    'command': [
        '/x/bin/python',
        '/x/tools/train.py',
        'configs/a.py',
        '--work-dir',
        '/w/run',
        '--cfg-options',
        'runner.n=4',
        'load_from=/v/w.pth',
    ],
    'folder': '/w/run',
    'environment': {
        'name': 'mmrotate1',
        'ledger': 'l',
        'versions': {'numpy': '1'},
        'image': {'runtime': 'native', 'name': None, 'digest': None},
    },
    'code': {'commit': 'c', 'dirty': False},
    'hardware': {'threads': 1, 'gpus': [], 'processor': 'p'},
    'nodes': ['n'],
    'roots': {'data': '/d', 'weights': '/v', 'work_dirs': '/w', 'code': '/x'},
    'variables': {},
    'config': {'save_path': '/w/run', 'lr': 1},
    'data': {'sota': {'sha256': 's'}},
    'metrics': {'loss': 2.0},
}


def replayed(path):
    """A passport as ``make replay`` reads it, up to the command line that would run."""
    replay, foreign = module('launch.replay'), module('launch.foreign')
    then = module('launch.passports').read(path)
    foreign.facts(then, path)
    if then['kind'] not in replay.SCRIPTS:
        return
    settings = module('launch.settings').from_environ({'HOME': '/home/user'})
    foreign.check(then['kind'], replay.script_words(then, 'work_dirs/new', settings), 'work_dirs/new')


def coco(folder):
    """A COCO file of two instances."""
    names = module('data.catalogue').get('sota').classes
    value = dict(
        images=[dict(id=1, file_name='P1.png', width=64, height=64)],
        categories=[dict(id=number, name=name) for number, name in enumerate(names, 1)],
        annotations=[dict(id=number, image_id=1, category_id=number, bbox=[0, 0, 64, 64], area=4096, iscrowd=0,
                          segmentation=dict(size=[64, 64], counts='0PP4')) for number in (1, 2)])
    return written('coco.json', json.dumps(value))(folder)


def read_coco(path):
    """As pretraining does."""
    return module('pretrain.data.annotations')._read_coco(path, module('data.catalogue').get('sota'))


def read_journal(path):
    """As a cut does that goes on."""
    journal = module('tiles.journal')
    found = journal.Journal.__new__(journal.Journal)
    found.path = path
    return found._read()


def mask(folder):
    """A label image of LoveDA."""
    import cv2
    import numpy as np
    path = os.path.join(folder, 'whole.png')
    cv2.imwrite(path, (np.add.outer(np.arange(70), np.arange(50)) % 8).astype(np.uint8))
    return path


def by_classes(name, dataset, *words):
    """A reader that wants the classes of a data set."""
    return lambda path: module('data.' + name).read(path, *words, module('data.catalogue').get(dataset).classes)


READERS = {
    'checkpoint': Reader(checkpoint, open_checkpoint, partial(changes.rezip, attacks=ATTACKS)),
    'checkpoint-legacy': Reader(
        partial(checkpoint, zipped=False), open_checkpoint, partial(changes.relegacy, attacks=ATTACKS)
    ),
    'safetensors': Reader(safetensors, open_checkpoint, None),
    'pickle': Reader(
        labels, lambda path: repr(module('data.pickles').load(path)), partial(changes.restep, attacks=ATTACKS)
    ),
    'samrs': Reader(
        samples('samrs', 'samrs', 'dior', 'hbox_segs_trainvaltest_init', 'ins'),
        by_classes('samrs', 'sior'),
        partial(changes.restep, attacks=ATTACKS),
    ),
    'dota': Reader(samples('dota', 'dotav1', 'train', 'labelTxt'), by_classes('dota', 'dotav1'), None),
    'dior-horizontal': Reader(
        samples('samrs', 'samrs', 'dior', 'Annotations', 'Horizontal Bounding Boxes'),
        by_classes('dior', 'dior', 'horizontal'),
        None,
    ),
    'dior-oriented': Reader(
        samples('samrs', 'samrs', 'dior', 'Annotations', 'Oriented Bounding Boxes'),
        by_classes('dior', 'dior', 'oriented'),
        None,
    ),
    'fair1m': Reader(samples('fair1m', 'fair1m', 'train', 'part1', 'labelXml'), by_classes('fair1m', 'fair1m'), None),
    'xview': Reader(
        samples('xview', 'xview', 'xView_train.geojson'), lambda path: module('data.xview').read(path), None
    ),
    'spacenet': Reader(
        samples('spacenet', 'spacenet', 'geojson'), lambda path: module('data.spacenet').read(path), None
    ),
    'geotiff': Reader(samples('spacenet', 'spacenet', '3band'), lambda path: module('data.geotiff').read(path), None),
    'image-header': Reader(partial(picture, suffix='.png'), lambda path: module('data.images').size(path), None),
    'png-rows': Reader(partial(picture, suffix='.png'), all_rows, None),
    'tiff-rows': Reader(partial(picture, suffix='.tif'), all_rows, None),
    'jpeg-rows': Reader(partial(picture, suffix='.jpg'), all_rows, None),
    'submission': Reader(submission, check_submission, None),
    'shard': Reader(shard, read_shard, None),
    'passport': Reader(written('passport.json', json.dumps(PASSPORT)), replayed, None),
    'coco': Reader(coco, read_coco, None),
    'mask': Reader(mask, lambda path: module('data.masks').read(path, module('data.loveda').MASKS), None),
    'mark': Reader(
        written('.mtp-output.json', json.dumps(dict(verb='cut', fingerprint='f', made=['a/*.png'], preset='x'))),
        lambda path: module('ownership').read(os.path.dirname(path)),
        None,
    ),
    'journal': Reader(
        written('cut.jsonl', json.dumps(dict(image='P1', width=64, height=64, tiles=1, bytes=[9], state='s')) + '\n'),
        read_journal,
        None,
    ),
    'validation': Reader(
        written('validation.json', json.dumps([dict(step=2, scores=dict(mean=0.5))])),
        lambda path: module('pretrain.engine.validator').best(module('pretrain.engine.validator').read(path)),
        None,
    ),
    'log': Reader(
        written('log.jsonl', '{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.0}\n'),
        lambda path: module('report.curves').series(module('report.curves').read_lines(path), ['loss']),
        None,
    ),
}
