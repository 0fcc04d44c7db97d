"""FAIR1M annotations: reader, and their conversion to DOTA text (``python -m mtp.data.fair1m``)."""
import argparse
import functools
import os
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from mtp import ownership
from mtp.data import catalogue, converting, dota, images, outputs, records, stamps, text, xmltree
from mtp.errors import MTPError, run_main
from mtp.files import PathLike, write_text

_Item = Tuple[str, str, str, str]  # name to write, XML, image, folder to write to
PREFIX = {'train': 'train_', 'train-part2': 'train_', 'val': 'valid_'}  # as SAMRS; both parts start at 0.tif


def read(path: PathLike, classes: Optional[Sequence[str]] = None) -> records.Polygons:
    """Objects of one image: annotation and submission files have the same form.

    Args:
        path: an XML file of ``labelXml``, or of a submission.
        classes: admitted names, spelled with hyphens as in the catalogue; None admits all.

    Returns:
        First four points of each object; names with hyphens for blanks (``Dry-Cargo-Ship``); ``meta`` holds
        ``filename``, ``width`` and ``height`` where the file has them, and ``scores`` (n,) float64 for a submission.

    Raises:
        MTPError: names file, line and field.
    """
    root = xmltree.parse(path, 'annotation')
    objects = xmltree.child(root, 'objects', path)
    meta: Dict[str, Any] = dict(xmltree.image_size(root, path))
    source = root.first('source')
    filename = None if source is None else source.first('filename')
    if filename is not None:
        meta['filename'] = xmltree.plain_name(filename.text, path, filename.line)
    rows, scores = [], []
    for node in objects.all('object'):
        result = xmltree.child(node, 'possibleresult', path)
        tag = xmltree.child(result, 'name', path)
        said = '-'.join(tag.text.replace('_', ' ').split())
        name = said if classes is None else catalogue.class_called(said, classes)
        if not name:
            message, hint = catalogue.strange_class(tag.text, classes or (), 'FAIR1M')
            raise MTPError(f'{path}: line {tag.line}: field name: {message}', hint=hint)
        rows.append((name, _points(path, xmltree.child(node, 'points', path)), 0))
        if result.first('probability') is not None:
            scores.append(xmltree.number(result, 'probability', path))
    if scores and len(scores) != len(rows):
        raise MTPError(f'{path}: line {objects.line}: {len(scores)} of {len(rows)} objects have a probability')
    if scores:
        meta['scores'] = np.array(scores)
    return records.polygons(rows, meta)


def _points(path: PathLike, node: xmltree.Node) -> List[float]:
    points = node.all('point')
    if len(points) not in (4, 5):
        raise MTPError(f'{path}: line {node.line}: field points: {len(points)} points, and 5 are expected')
    numbers = []
    for index, point in enumerate(points):
        pair = point.text.split(',')
        if len(pair) != 2:
            raise MTPError(f'{path}: line {point.line}: field point: {point.text[:60]!r} is not x,y')
        numbers += [text.number(token.strip(), path, point.line, 'point') for token in pair]
    return numbers[:8]


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Write train and validation as one DOTA-like folder: images (linked) and labelTxt, ready to be cut."""
    options = _parser().parse_args(argv)
    out = options.out or catalogue.locate(catalogue.get('fair1m').files['dota'])
    items = _collect(options, out)
    mark = converting.fingerprint([1, options.blank, options.last_column], [item[1] for item in items])
    problems = []
    with stamps.filling(out, 'data fair1m', mark, _names(items), options) as filling:
        if not filling.needed:
            print(f'{out}: made from these files already')
            return 0
        work = functools.partial(_convert, options=options)
        written = converting.run(work, items, options, 'FAIR1M to DOTA', problems)
        objects = sum(written)
        filling.whole = not problems
    counts = {'images': len(items) - len(problems), 'objects': objects}
    print('{}: {images} images, {objects} objects{}'.format(
        out, ' (dry run: nothing written)' if options.dry_run else '', **counts))
    return converting.finish(counts, problems, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m mtp.data.fair1m', description=main.__doc__)
    parser.add_argument('--root', help='folder with train/part1, train/part2 and validation (default: fair1m below '
                        'MTP_DATA_ROOT)')
    parser.add_argument('--out', help='default: fair1m/dota/trainval below MTP_DATA_ROOT')
    parser.add_argument('--parts', nargs='+', choices=list(PREFIX), help='default: all that are there')
    parser.add_argument('--blank', choices=('-', '_'), default='-',
                        help='what stands for a blank in names: - as MTP and SAMRS write, _ as LSKNet')
    parser.add_argument('--last-column', choices=('difficulty', 'class-index'), default='difficulty',
                        help='0 for every object, or the class index as SAMRS writes it')
    converting.add_options(parser)
    return parser


def _collect(options: argparse.Namespace, out: str) -> List[_Item]:
    """(name to write, XML, image, out) of every image, in natural order, train before validation."""
    dataset = catalogue.get('fair1m')
    items, missing = {}, []
    for part in options.parts or PREFIX:
        split = dataset.source[part]
        folders = [catalogue.locate(path) if options.root is None else os.path.join(options.root, path.split('/', 1)[1])
                   for path in (split.labels, split.images)]
        if not os.path.isdir(folders[0]):
            missing.append(folders[0])
            continue
        images_of = converting.paths_by_stem(folders[1], split.image_suffix) if os.path.isdir(folders[1]) else {}
        for stem, xml in converting.paths_by_stem(folders[0], split.label_suffix).items():
            target = PREFIX[part] + stem
            if target in items:
                raise MTPError(f'two annotations want the name {target}: {items[target][1]} and {xml}')
            image = images_of.get(stem, os.path.join(folders[1], stem + split.image_suffix))
            items[target] = (target, xml, image, out)
    if missing and (options.parts or len(missing) == len(PREFIX)) or not items:
        raise MTPError('no FAIR1M annotations: looked for {}'.format(', '.join(missing) or options.parts),
                       hint='python -m mtp.data describe fair1m')
    return list(items.values())


def _names(items: Iterable[_Item]) -> List[str]:
    """What is written, relative to the folder."""
    return ownership.exactly(name for target, _, image, _ in items for name in (
        f'labelTxt/{target}.txt', f'images/{target}{os.path.splitext(image)[1].lower()}'))


def _convert(item: _Item, options: argparse.Namespace) -> int:
    """Write the label text of one image and link the image; the number of objects."""
    target, xml, image, out = item
    classes = catalogue.get('fair1m').classes
    labels = read(xml, classes)
    size = images.size(image)
    stated = labels.meta.get('width'), labels.meta.get('height')
    if stated != (None, None) and stated != size:
        raise MTPError('{}: field size: it says {} x {}, and {} has {} x {}'.format(xml, *stated, image, *size))
    if options.dry_run:
        return len(labels.names)
    last = [classes.index(name) for name in labels.names] if options.last_column == 'class-index' else labels.difficult
    names = tuple(name if options.blank == '-' else catalogue.get('fair1m').spelling.get(name, name).replace(' ', '_')
                  for name in labels.names)
    write_text(os.path.join(out, 'labelTxt', target + '.txt'),
               dota.lines(labels._replace(names=names, difficult=np.array(last, np.int64))))
    outputs.link(image, os.path.join(out, 'images', target + os.path.splitext(image)[1].lower()))
    return len(labels.names)


if __name__ == '__main__':
    run_main(main)
