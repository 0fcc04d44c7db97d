"""``scripts/change_ckpt.py``: take a decoder of a pretraining model over to a fine-tuning toolbox."""
import argparse
import os
from typing import Optional, Sequence, Tuple

from mtp import ownership
from mtp.checkpoints import files, layouts
from mtp.checkpoints.share import families
from mtp.checkpoints.writing import save
from mtp.errors import OK, MTPError
from mtp.files import write_json
from mtp.paths import resolve

PUBLISHED = 'weights/last_vit_b_rvsa_ss_is_rd_pretrn_model.pth'
SUFFIX = {'rotdet': '_rot', 'insseg': '_ins', 'semseg': '_seg'}
TARGET = {'rotdet': 'mmrotate1', 'insseg': 'mmdet', 'semseg': 'mmseg'}
NOTE = {'semseg': 'the pretraining decoder has 256 channels: add model.decode_head.channels=256 to --cfg-options'}


def main(words: Optional[Sequence[str]] = None) -> int:
    """Write ``<stem>_rot.pth`` (or ``_ins``, ``_seg``) beside each model given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('models', nargs='*', default=[PUBLISHED], help='whole pretraining models (%(default)s)')
    parser.add_argument('--task', choices=sorted(SUFFIX), default='rotdet', help='decoder to take over (%(default)s)')
    parser.add_argument('--head', choices=sorted(layouts.SUBSETS),
                        help='take over the last layers of this pretraining dataset too')
    parser.add_argument('--target', choices=layouts.TOOLBOXES, help="toolbox; default: the decoder's own")
    parser.add_argument('--out', help='file to write, when one model is given')
    parser.add_argument('--overwrite', action='store_true', help='replace existing output')
    parser.add_argument('--dry-run', action='store_true', help='read and convert, write nothing')
    parser.add_argument('--report', metavar='FILE', help='write counts to FILE as JSON')
    arguments = parser.parse_args(words)
    if arguments.out and len(arguments.models) > 1:
        raise MTPError(f'--out names one file, but {len(arguments.models)} models are given',
                       hint='leave out --out: each result goes beside its model')
    counts = dict(change(resolve(model), arguments) for model in arguments.models)
    if arguments.report:
        write_json(arguments.report, {'counts': counts, 'problems': []})
    return OK


def change(path: str, arguments: argparse.Namespace) -> Tuple[str, int]:
    """Convert one model and say what became of its tensors; the path written, and the number of tensors there."""
    checkpoint = files.load(path)
    if checkpoint.layout != 'mtp_model':
        raise MTPError('{} is not a whole pretraining model (encoder.* and decoders) but has layout {!r}'.format(
            path, checkpoint.layout), hint='a decoder is in the ..._pretrn_model.pth file, not in ..._encoder.pth')
    target = arguments.target or TARGET[arguments.task]
    converted = layouts.convert(checkpoint.state_dict, 'mtp', target, arguments.task, arguments.head)
    if not any(not key.startswith('backbone.') for key in converted.state_dict):
        raise MTPError(f'{path} has no decoder for {arguments.task}',
                       hint='which it has: python -m mtp.checkpoints inspect ' + path)
    out = resolve(arguments.out) if arguments.out else os.path.splitext(path)[0] + SUFFIX[arguments.task] + '.pth'
    if not arguments.dry_run:
        ownership.refuse_inputs([out], [checkpoint.path], 'name')
        save(out, converted.state_dict, layouts.convert_meta(checkpoint.meta, target), arguments.overwrite)
    print('{}: {} tensors for {}{}'.format(out, len(converted.state_dict), target,
                                           ' (dry run: nothing written)' if arguments.dry_run else ''))
    for sentence in layouts.single_stage(checkpoint.state_dict)[1]:
        print('  ' + sentence)
    print('  dropped: ' + families(converted.dropped))
    print(f'  train with --cfg-options load_from={out}')
    if arguments.task in NOTE:
        print('  ' + NOTE[arguments.task])
    return out, len(converted.state_dict)
