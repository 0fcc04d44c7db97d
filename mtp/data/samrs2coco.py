"""SAMRS pickles to COCO instance files, for the three subsets of pretraining (published as convert_pkl_json.py)."""
import argparse
import functools
import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from mtp import numbers
from mtp.data import catalogue, coco, converting, images, samrs
from mtp.errors import MTPError
from mtp.files import is_there

SUBSETS = ('sota', 'sior', 'fast')


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Convert what the options name; without options every subset found in its place below MTP_DATA_ROOT."""
    options = _parser().parse_args(argv)
    _check(options)
    jobs, absent = _plan(options)
    for job in jobs:
        if not job['current']:
            converting.refuse_existing([job['out']], options, coco.is_ours)
    counts, problems = {}, []
    for job in jobs:
        if job['current'] and not options.overwrite:
            print('{out}: made from these files already'.format(**job))
            continue
        with converting.alone(job['out'], options):
            counts[job['out']] = _convert(job, options, problems)
        print('{}: {images} images, {annotations} instances{}'.format(
            job['out'], ' (dry run: nothing written)' if options.dry_run else '', **counts[job['out']]))
    for subset, listing in absent:
        print(f'{subset}: not there ({listing} is missing), left out')
    return converting.finish(counts, problems, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Paths not given come from the catalogue and lie below MTP_DATA_ROOT.')
    parser.add_argument('--dataset', choices=SUBSETS, action='append', help='subset; may be given several times '
                        '(default: all that are there)')
    parser.add_argument('--split', choices=('train', 'valid'), action='append', help='default: both')
    parser.add_argument('--root', help='folder with the lists {train,valid}.txt')
    parser.add_argument('--images', help='folder of the images')
    parser.add_argument('--labels', help='folder of the pickles')
    parser.add_argument('--image-ext', help='suffix of the images, for example .png')
    parser.add_argument('--out', help='folder for the COCO files')
    parser.add_argument('--name-template', help='file name with {dataset} and {split} (default: the name that '
                        'pretraining reads)')
    parser.add_argument('--id-base', type=numbers.not_negative, choices=(0, 1), default=1,
                        help='first annotation id; 0 as published, which evaluation takes for "no match"')
    parser.add_argument('--bbox-from', choices=('mask', 'prompt'), default='mask',
                        help='box of the mask (as published) or the box it was made from')
    parser.add_argument('--drop-empty', action='store_true', help='leave out instances whose mask is empty')
    converting.add_options(parser)
    return parser


def _check(options: argparse.Namespace) -> None:
    paths = [options.root, options.images, options.labels, options.image_ext, options.out]
    if any(paths) and len(options.dataset or ()) != 1:
        raise MTPError('--root, --images, --labels, --image-ext and --out belong to one subset',
                       hint='add --dataset sota, sior or fast')
    if options.image_ext and not options.image_ext.startswith('.'):
        raise MTPError(f'--image-ext is {options.image_ext!r} and must start with a dot')


def _plan(options: argparse.Namespace) -> Tuple[List[Dict[str, Any]], List[Tuple[str, str]]]:
    """What to do: a dict for each output file, and (subset, missing list) for each subset that is not there."""
    jobs, absent = [], []
    for subset in options.dataset or SUBSETS:
        dataset = catalogue.get(subset)
        splits = options.split or tuple(dataset.splits)
        lists = {split: _list_file(options, dataset.splits[split]) for split in splits}
        missing = [path for path in lists.values() if not is_there(path)]
        if missing and not options.dataset and len(missing) == len(lists):
            absent.append((subset, missing[0]))
            continue
        if missing:
            raise MTPError(f'the list {missing[0]} is missing',
                           hint=f'python -m mtp.data describe {subset}')
        jobs += [_job(options, dataset, split, path) for split, path in lists.items()]
    if not jobs:
        raise MTPError('no SAMRS subset below {}: looked for {}'.format(
            catalogue.locate('samrs'), ', '.join(path for _, path in absent)),
            hint='set MTP_DATA_ROOT; python -m mtp.data describe sota tells what to put there')
    return jobs, absent


def _list_file(options: argparse.Namespace, split: catalogue.Split) -> str:
    if options.root:
        return os.path.join(options.root, split.name + '.txt')
    path = catalogue.locate(split.listing)
    beside_images = os.path.join(os.path.dirname(catalogue.locate(split.images)), split.name + '.txt')
    # the published script reads the lists beside the image folder; both places are in circulation
    return beside_images if not os.path.isfile(path) and os.path.isfile(beside_images) else path


def _job(options: argparse.Namespace, dataset: catalogue.Dataset, split: str, list_file: str) -> Dict[str, Any]:
    entry = dataset.splits[split]
    default = catalogue.locate(dataset.files['coco'], split=split)
    name = os.path.basename(default)
    if options.name_template:
        try:
            name = options.name_template.format(dataset=dataset.name, split=split)
        except (KeyError, IndexError, ValueError) as error:
            raise MTPError(f'--name-template {options.name_template!r} cannot be filled: {error}') from None
    folders = (options.images or catalogue.locate(entry.images), options.labels or catalogue.locate(entry.labels))
    for folder in folders:
        if not os.path.isdir(folder):
            raise MTPError(f'the folder {folder} is missing',
                           hint=f'python -m mtp.data describe {dataset.name}')
    suffix = options.image_ext or entry.image_suffix
    files = [(images.as_there(os.path.join(folders[0], stem + suffix)),
              images.as_there(os.path.join(folders[1], stem + '.pkl'))) for stem in converting.stems(list_file)]
    out = os.path.join(options.out or os.path.dirname(default), name)
    settings = [1, dataset.name, split, options.id_base, options.bbox_from, options.drop_empty]
    mark = converting.fingerprint(settings, [list_file] + [path for pair in files for path in pair])
    return {'dataset': dataset, 'files': files, 'out': out, 'fingerprint': mark, 'current': coco.is_current(out, mark)}


def _convert(job: Mapping[str, Any], options: argparse.Namespace, problems: List[str]) -> Dict[str, int]:
    classes = job['dataset'].classes
    work = functools.partial(_one, classes=classes, bbox_from=options.bbox_from, drop_empty=options.drop_empty)
    before = len(problems)
    rows = converting.run(work, job['files'], options, os.path.basename(job['out']), problems)
    counts = coco.write(job['out'], classes, rows, '' if options.lenient else job['fingerprint'], options.id_base,
                        options.dry_run)
    return dict(counts, left_out=len(problems) - before)


def _one(paths: Tuple[str, str], classes: Sequence[str], bbox_from: str,
         drop_empty: bool) -> Tuple[Dict[str, Any], List[str]]:
    """COCO entry of an image and its annotations as text (see :func:`coco.write`)."""
    image_path, label_path = paths
    width, height = images.size(image_path)
    annotations = []
    for index, instance in enumerate(samrs.read(label_path, classes)):
        if instance.size != (height, width):
            raise MTPError('{}: instance {}, field mask: it is {} x {} (height x width), and {} has {} x {}'.format(
                label_path, index, *instance.size, os.path.basename(image_path), height, width))
        if not (drop_empty and instance.area == 0):
            annotations.append(_annotation(label_path, index, instance, bbox_from))
    return {'file_name': os.path.basename(image_path), 'height': height, 'width': width,
            'segm_file': os.path.basename(label_path)}, annotations


def _annotation(path: str, index: int, instance: samrs.Instance, bbox_from: str) -> str:
    box = [float(value) for value in instance.box]
    if bbox_from == 'prompt':
        if instance.prompt_box is None:
            raise MTPError(f'{path}: instance {index}, field bbox: it has none', hint='--bbox-from mask')
        x0, y0, x1, y1 = instance.prompt_box
        box = [x0, y0, x1 - x0, y1 - y0]
    # the counts are JSON-escaped: their alphabet holds the backslash
    return '{{"iscrowd":0,"category_id":{},"bbox":{},"area":{},"segmentation":{{"size":[{},{}],"counts":{}}}}}'.format(
        instance.label, box, instance.area, *instance.size, json.dumps(instance.counts))
