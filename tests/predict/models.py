"""Small models of every task, never trained, with the options that make them of the published configs; pictures."""
import argparse

import numpy as np
import torch

NARROW = ['model.backbone.embed_dim=32', 'model.backbone.depth=4', 'model.backbone.num_heads=2',
          'model.backbone.interval=2', 'model.backbone.out_indices=[0,1,2,3]', 'model.backbone.pretrained=None']
WIDTHS = '[32,32,32,32]'
TASKS = {
    'segmentation': ('rvsa-b-upernet-384-mae-mtp-spacenetv1', NARROW + [
        'model.backbone.img_size=64', 'model.decode_head.in_channels=' + WIDTHS, 'model.decode_head.channels=32',
        'model.data_preprocessor.size=(64,64)', 'model.test_cfg.crop_size=(64,64)', 'model.test_cfg.stride=(48,48)']),
    'change': ('rvsa-b-unet-256-mae-mtp_levir', NARROW + [
        'model.backbone.img_size=64', 'model.decode_head.in_channels=' + WIDTHS,
        'model.decode_head.encoder_channels=' + WIDTHS, 'model.decode_head.decoder_channels=[16,16,8,8]',
        'model.decode_head.channels=8']),
    'classification': ('vit-rvsa-b-224-mae-mtp_eurosat', NARROW + [
        'model.head.in_channels=32', 'model.backbone.img_size=224']),
}


def write_weights(path, task):
    """A checkpoint of a model of ``task``, drawn and not trained; returns words for the command line."""
    from mmengine.config import DictAction
    from mmengine.registry import MODELS, init_default_scope

    from mtp.adapters.mmrotate1 import cli

    config, options = TASKS[task]
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    given = parser.parse_args(['--cfg-options'] + options).cfg_options
    cfg = cli.load(argparse.Namespace(config=config, cfg_options=given, work_dir=None, launcher='none',
                                      local_rank=None, rehearse=False), 'test')
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    if 'data_preprocessor' in cfg:
        cfg.model.data_preprocessor = cfg.data_preprocessor
    model = MODELS.build(cfg.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    torch.save(dict(state_dict=model.state_dict()), path)
    return ['--config', config, '--checkpoint', path, '--cfg-options'] + options


def write(path, values, **options):
    """A raster of ``values`` (bands, height, width)."""
    import rasterio
    driver = {'.png': 'PNG', '.tif': 'GTiff', '.jpg': 'JPEG'}[str(path)[-4:]]
    with rasterio.open(str(path), 'w', driver=driver, count=len(values), height=values.shape[1], width=values.shape[2],
                       dtype=str(values.dtype), **options) as stream:
        stream.write(values)


def scene(height, width, seed=0, bands=3):
    """Pixels (bands, height, width) uint8 of blocks of different shades."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (bands, height // 12 + 1, width // 12 + 1), dtype=np.uint8)
    return coarse.repeat(12, axis=1).repeat(12, axis=2)[:, :height, :width]
