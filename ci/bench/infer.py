"""From a big image to a submission, ViT-B + RVSA on the CPU: ``python ci/bench/infer.py [--quick]``.

Windows of 1024 pixels are cut on the fly, detected, merged and packed as ``tools/test.py`` does; said is how much of
the time is not spent in the network, from the first byte of the image to the zip. What is found in a window has to be
what the toolbox's own ``inference_detector`` finds in it. Weights are drawn: the time does not depend on them.
``--quick`` takes a network for windows of 256 pixels, which is harder: it leaves less to hide behind.
"""
import argparse
import itertools
import os
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path.insert(0, ROOT)
CONFIG = 'configs/mmrotate03/dotav1/oriented_rcnn_rvsa_b_1024_mae_mtp_dota10.py'


def make_image(path, side):
    """A picture with structure at all sizes."""
    import cv2
    rng, picture = np.random.default_rng(0), np.zeros((side, side, 3), dtype=np.float32)
    for cells, weight in ((8, 60), (64, 40), (512, 25)):
        coarse = rng.normal(0, weight, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(path, np.clip(picture + 128, 0, 255).astype(np.uint8))


def draw_weights(cfg, path):
    """A checkpoint whose classifier says background as a trained one does, so that few boxes go on."""
    import torch
    from mtp.adapters.mmrotate03.detector import build_model
    torch.manual_seed(0)
    model = build_model(cfg)
    with torch.no_grad():
        model.roi_head.bbox_head.fc_cls.weight.mul_(30)
        model.roi_head.bbox_head.fc_cls.bias[-1] += 3
    torch.save(dict(state_dict=model.state_dict()), path)


def check_equal(detector, pieces, folder, cfg, batch):
    """Stop when the first batch holds other detections than the toolbox finds; returns how many windows there are.

    The toolbox gets the same windows together: for another number of them the processor's threads share the work in
    another way, and what is rounded otherwise a network of drawn weights makes much of.
    """
    from mmdet.apis import inference_detector
    from mtp.tiles import shards, sources
    model = detector._model.module
    model.cfg = cfg
    tiles, pixels = zip(*itertools.islice(sources.read(pieces[0]), batch))
    found = {name: (boxes, scores, labels) for name, boxes, scores, labels in shards.read_shards(folder)}
    for tile, theirs in zip(tiles, inference_detector(model, list(pixels))):
        boxes, scores, labels = found[tile]
        for label, rows in enumerate(theirs):
            ours = np.column_stack([boxes, scores])[labels == label]
            if ours.shape != rows.shape or len(rows) and np.abs(ours - rows).max() > 1e-3:
                raise SystemExit(f'{tile}: class {label} differs from what the toolbox finds')
    return len(found), sum(len(each[1]) for each in found.values())


def timed(base, worked):
    """The class, appending to ``worked`` the seconds of processor that each call takes: less shaken by other work."""
    class Timed(base):
        def __call__(self, batch):
            before = time.process_time()
            found = super().__call__(batch)
            worked.append(time.process_time() - before)
            return found
    return Timed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='the reduced network on windows of 256 pixels')
    parser.add_argument('--side', type=int, help='of the image')
    parser.add_argument('--workers', type=int, default=1, help='processes that cut windows')
    options = parser.parse_args()
    sibling = os.path.join(os.path.dirname(sys.executable), os.pardir, os.pardir, 'mmrotate03', 'bin', 'python')
    if os.path.basename(sys.prefix) != 'mmrotate03' and os.path.exists(sibling):
        os.execv(sibling, [sibling, os.path.abspath(__file__)] + sys.argv[1:])
    os.chdir(ROOT)
    measure(options)


def measure(options):
    from mmcv import Config
    from mtp.adapters import inference
    from mtp.adapters.mmrotate03.detector import Detector
    from mtp.submit import package
    from mtp.tiles import merge, sources
    from mtp.tiles.pixels import list_images
    from mtp.tiles.windows import preset
    name = 'configs/mmrotate03/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py' if options.quick else CONFIG
    cfg, how = Config.fromfile(name), preset('demo_ss' if options.quick else 'dotav1_ss')
    with tempfile.TemporaryDirectory() as folder:
        images, shards = os.path.join(folder, 'images'), os.path.join(folder, 'shards')
        os.makedirs(images)
        make_image(os.path.join(images, 'P0000.png'), options.side or 1800)
        draw_weights(cfg, os.path.join(folder, 'c.pth'))
        start, before, worked = time.perf_counter(), os.times(), []
        settings = inference.Settings(workers=options.workers, batch=cfg.data.test_dataloader.samples_per_gpu)
        pieces = sources.of_images(list_images(images), how, settings.readers)
        detector = timed(Detector, worked)(cfg, os.path.join(folder, 'c.pth'))
        spent = inference.detect(detector, pieces, shards, 'bench', settings)
        found = merge.merge(shards, jobs=os.cpu_count())
        if len(found.score):
            package(found, 'dotav1', os.path.join(folder, 'out'), images)
        seconds, after = time.perf_counter() - start, os.times()
        processors = sum(after[:4]) - sum(before[:4])
        windows, detections = check_equal(detector, pieces, shards, cfg, settings.batch)
    print('{}: {} windows, {} detections, as the toolbox; {:.1f} s from image to zip, {:.1f} s in the network'.format(
        os.path.basename(name)[:-3], windows, detections, seconds, spent.network))
    outside = processors - sum(worked)
    print('outside the network {:.1f} % of the clock, {:.1f} % of the processors ({:.1f} of {:.1f} s)'.format(
        100 * (1 - spent.network / seconds), 100 * outside / processors, outside, processors))


if __name__ == '__main__':
    main()
