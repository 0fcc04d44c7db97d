"""``python change_probe.py ours|theirs OUT``: what our change detection, or a copy of Open-CD 1.1.0 on PYTHONPATH,
makes of the same pairs, weights and predictions.

Two processes, because both fill the same scope of mmengine's registries.
"""
import importlib.util
import os
import random
import sys
import tempfile
import types

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, MODELS, init_default_scope

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SEEDS = 300
LEAF = 'configs/mmrotate1/{}.py'
DATASETS_OF = {'whu': 'whu/rvsa-b-unet-256-mae-mtp_whu', 'oscd': 'oscd/rvsa-b-unet-96-mae-mtp_oscd_rgb',
               'levir': 'levir/intern-xl-unet-256-imp-mtp_levir', 'cdd': 'cdd/rvsa-b-unet-256-mae-mtp_cdd'}


def theirs():
    """Open-CD itself, with stand-ins for what two of its other models ask for; the network's parts that it lacks are
    ours.
    """
    from mmpretrain.models.utils import LayerNorm2d
    from mmseg.models import utils
    from mmseg.utils import register_all_modules
    utils.LayerNorm2d = LayerNorm2d
    sys.modules['peft'] = types.ModuleType('peft')
    sys.modules['peft'].get_peft_config = sys.modules['peft'].get_peft_model = None
    register_all_modules(init_default_scope=False)
    import opencd.datasets  # noqa: F401 (registers)
    import opencd.models  # noqa: F401 (registers)
    from opencd import registry
    from opencd.datasets.basecddataset import _BaseCDDataset

    from mtp.adapters.backbones import BY_SCOPE
    for name, module in BY_SCOPE['opencd'].items():
        registry.MODELS.register_module(name=name, module=module)
    registry.MODELS.register_module(module=_unet_head())
    meta = dict(classes=('unchanged', 'changed'), palette=[[0, 0, 0], [255, 255, 255]])
    registry.DATASETS.register_module(name='OSCD_RGB_CD_Dataset', module=type('OSCD', (_BaseCDDataset,), dict(
        METAINFO=meta, __init__=lambda self, **words: _BaseCDDataset.__init__(
            self, img_suffix='.png', seg_map_suffix='.png', format_seg_map='to_binary', **words))))


def _unet_head():
    """Our decoder (it belongs to MTP, not to Open-CD) without our registries."""
    from mmengine.registry import Registry
    folder = os.path.join(ROOT, 'mtp', 'adapters', 'mmrotate1')
    for name in ('mtp.adapters.mmrotate1', 'mtp.adapters.mmrotate1.change_detection'):
        sys.modules[name] = types.ModuleType(name)
    fake = sys.modules['mtp.adapters.mmrotate1.change_detection.registry'] = types.ModuleType('registry')
    fake.MODELS = Registry('apart')
    spec = importlib.util.spec_from_file_location('apart', os.path.join(folder, 'change_detection', 'models.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.UNetHead


def ours():
    """What the command lines register."""
    from mmseg.utils import register_all_modules
    register_all_modules(init_default_scope=False)
    import mtp.adapters.mmrotate1  # noqa: F401 (registers)


def draw(folder, dataset):
    """Eight pairs in the layout of a data set: noise over shapes, masks with soft edges, sub-folder and odd names."""
    rng = np.random.RandomState(7)
    suffix = {'cdd': '.jpg'}.get(dataset, '.png')
    side = 96 if dataset == 'oscd' else 300
    for split in ('train', 'val', 'test'):
        for number in range(8):
            mask = np.zeros((side, side), np.uint8)
            cv2.circle(mask, tuple(int(x) for x in rng.randint(20, side - 20, 2)), side // 5, 255, -1, cv2.LINE_AA)
            before = cv2.GaussianBlur(rng.randint(0, 256, (side, side, 3)).astype(np.uint8), (9, 9), 0)
            after = np.where(mask[..., None] > 127, 255 - before, before)
            for part, image in (('A', before), ('B', after), ('label', mask)):
                place = os.path.join(folder, split, part, 'sub' if number == 3 else '')
                os.makedirs(place, exist_ok=True)
                cv2.imwrite(os.path.join(place, f'p{number * 7 % 11}{suffix}'), image)


def config(dataset, folder):
    """A leaf, reduced to a network that a test can afford, over drawn pairs."""
    cfg = Config.fromfile(os.path.join(ROOT, LEAF.format(DATASETS_OF[dataset])), import_custom_modules=False)
    backbone, widths = cfg.model.backbone, [16] * 4
    if backbone.type == 'RVSA_MTP':
        backbone.update(embed_dim=16, depth=4, num_heads=2, interval=2, out_indices=[0, 1, 2, 3], drop_path_rate=0.)
    else:
        backbone.update(channels=16, depths=[1, 1, 1, 1], groups=[1, 2, 4, 8], drop_path_rate=0.)
        widths = [16, 32, 64, 128]
    backbone.pretrained = None
    cfg.model.decode_head.update(in_channels=widths, encoder_channels=widths, decoder_channels=[16, 16, 8, 8],
                                 channels=8)
    for split in ('train', 'val', 'test'):
        cfg[split + '_dataloader'].dataset.data_root = folder
    return cfg


def probe(dataset):
    """Arrays by name: entries, augmented samples, batch, losses, predictions, figures."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        draw(folder, dataset)
        cfg = config(dataset, folder)
        data = {split: DATASETS.build(cfg[split + '_dataloader'].dataset) for split in ('train', 'val', 'test')}
        for split, each in data.items():
            found['names/' + split] = np.array([path[len(folder):] for item in map(each.get_data_info, range(len(each)))
                                                for path in item['img_path'] + [item['seg_map_path']]])
        samples = []
        for seed in range(SEEDS):
            random.seed(seed)
            np.random.seed(seed)
            samples.append(data['train'][seed % len(data['train'])])
        found['sums'] = np.array([[float(sample['inputs'].double().sum()), float(sample['inputs'].double().std()),
                                   float(sample['data_samples'].gt_sem_seg.data.sum())] for sample in samples])
        found['sample'] = np.stack([sample['inputs'].numpy() for sample in samples[:6]])
        found['mask'] = np.stack([sample['data_samples'].gt_sem_seg.data.numpy() for sample in samples[:6]])
        torch.manual_seed(3)
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
        model.decode_head.dropout = torch.nn.Identity()
        torch.nn.init.normal_(model.decode_head.conv_seg.weight)  # else all is found unchanged, and nothing is compared
        found['keys'] = np.array(sorted(model.state_dict()))
        batch = model.data_preprocessor(pseudo_collate(samples[:4]), training=True)
        found['batch'] = batch['inputs'].numpy()
        losses = model.train().loss(batch['inputs'], batch['data_samples'])
        found.update(('loss/' + name, value.detach().numpy()) for name, value in losses.items())
        losses['decode.loss_ce'].backward()
        found['gradient'] = np.array([float(p.grad.double().norm()) for p in model.parameters() if p.grad is not None])
        judge = Evaluator(cfg.test_evaluator)
        judge.dataset_meta = data['test'].metainfo
        model.eval()
        with torch.no_grad():
            for number in range(len(data['test'])):
                outputs = model.test_step(pseudo_collate([data['test'][number]]))
                found[f'logits/{number}'] = outputs[0].seg_logits.data.numpy()
                judge.process(outputs)
        figures = judge.evaluate(len(data['test']))
        found.update(('figure/' + name, np.array(float(figures[name]))) for name in ('aAcc', 'mIoU', 'mAcc', 'mFscore'))
    return found


def main():
    """Run every data set; the results go to OUT, an .npz file."""
    kind, out = sys.argv[1:]
    sys.path.insert(0, ROOT)
    dict(ours=ours, theirs=theirs)[kind]()
    init_default_scope('opencd')
    torch.set_num_threads(1)
    np.savez(out, **{f'{dataset}/{name}': value for dataset in DATASETS_OF
                     for name, value in probe(dataset).items()})


if __name__ == '__main__':
    main()
