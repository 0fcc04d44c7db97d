"""A submission of a test's shards: ``python -m mtp.submit.merge SHARDS --dataset dotav1 --images DIR --out DIR``."""
import argparse
import os
import sys
from typing import List, Optional

from mtp import locks, numbers, ownership
from mtp.boxes.nms import RULES
from mtp.data import catalogue
from mtp.errors import OK, run_main
from mtp.paths import resolve
from mtp.tiles.merge import DEFAULT, expected_tiles, merge, rule_of
from mtp.tiles.windows import PRESETS, preset

from .package import WRITERS, leaves, package

VERB = 'merge'


def main(arguments: Optional[List[str]] = None) -> int:
    """Merge shards and write the submission."""
    parser = argparse.ArgumentParser(prog='python -m mtp.submit.merge',
                                     description='Merge the shards of a test and write the submission.')
    parser.add_argument('shards', help='folder that the test wrote')
    parser.add_argument('--dataset', required=True, choices=sorted(catalogue.having('submission', WRITERS)))
    parser.add_argument('--images', required=True, help='folder of the original test images')
    parser.add_argument('--out', required=True, help='folder for the submission; new, empty or ours')
    parser.add_argument('--iou-thr', type=numbers.overlap, default=DEFAULT.iou_thr,
                        help='threshold of the NMS (default: %(default)s)')
    parser.add_argument('--rule', choices=RULES, default=DEFAULT.rule,
                        help='drop at IoU >= (CPU) or > (CUDA) the threshold')
    parser.add_argument('--score-thr', type=numbers.share, default=0.0, help='leave out detections below this score')
    parser.add_argument('--preset', choices=sorted(PRESETS),
                        help='how the images were cut: check that no tile is missing')
    parser.add_argument('--whole-images', action='store_true', help='the test ran on whole images, not on tiles')
    parser.add_argument('--jobs', type=numbers.count, default=os.cpu_count(), help='processes (default: all cores)')
    options = parser.parse_args(arguments)
    rule = rule_of(dict(iou_thr=options.iou_thr, rule=options.rule))
    images, out = resolve(options.images), resolve(options.out)
    ownership.check(out, VERB)
    expected = expected_tiles(images, preset(options.preset)) if options.preset else None
    with locks.hold(out, VERB):
        # a merge that was killed while it packed has left some of these, and one that is done again all of them
        ownership.claim(out, VERB, leaves(out))
        merged = merge(resolve(options.shards), rule.iou_thr, rule.rule, options.score_thr, options.whole_images,
                       expected, options.jobs)
        sys.stderr.write(f'{len(merged.score)} detections in {len(merged.images)} images\n')
        ownership.clear(out)
        for path in package(merged, options.dataset, out, images):
            print(path)
    return OK


if __name__ == '__main__':
    run_main(main)
