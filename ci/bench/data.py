"""Data preparation against the published way: ``python ci/bench/data.py [samrs] [xml] [--quick]``.

samrs: SAMRS pickles of 2,000 images with 100,000 instances to COCO. The published way decodes every image for its size
and asks pycocotools for area and box of every mask, one after the other; ours reads headers and measures all masks of a
file at once.

xml: result texts of 200 images with 500 detections each to a FAIR1M submission. The published way reads and writes the
XML of an image again for every detection of it, so an image takes seconds; it is run on some of the images
(``--published-images``), and the ratio is that of the times an image takes. Ours writes all of them, and the zip.

Both ways get the same files, in turn, and must say the same of every image and object first. ``--quick`` tries it with
little; its ratios mean nothing. Cutting has a program of its own, ``ci/bench/cut.py``.
"""
import argparse
import json
import os
import pickle
import statistics
import shutil
import sys
import tempfile
import time
import zipfile
from xml.dom import minidom
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from mtp.data import catalogue, samrs2coco  # noqa: E402
from mtp.data.samples import scenes, shapes, writing  # noqa: E402
from mtp.submit import fair1m_texts  # noqa: E402

INSTANCES = 50  # of an image
SIZE = 1024  # pixels, as the real patches
DRAWN = 8  # different images; the others are links to them


def make_samrs(root, images):
    """Write ``images`` images and pickles with INSTANCES instances each; their file names."""
    folders = {kind: os.path.join(root, kind) for kind in ('images', 'ins')}
    classes = catalogue.get('sota').classes
    labels = {'plane': 4, 'ship': 5, 'vehicle': 9, 'storage-tank': 13, 'tennis-court': 11}
    drawn = []
    for number in range(min(DRAWN, images)):
        kinds = [kind for kind in shapes.KINDS if kind in labels]
        scene = scenes.paint(np.random.default_rng(number), SIZE, SIZE, kinds, 80)
        entries = []
        for index in range(INSTANCES):
            item = scene.items[index % len(scene.items)]
            rle = coco_mask.encode(scenes.full_mask(scene, item))
            rle['counts'] = rle['counts'].decode('ascii')
            label = labels[item.kind]
            entries.append({'mask': rle, 'label': label, 'category': classes[label], 'rbox': item.polygon,
                            'size': np.int64(item.mask.sum()),
                            'rhbox': np.concatenate([item.polygon.min(0), item.polygon.max(0)])})
        drawn.append(entries)
        writing.save_image(os.path.join(folders['images'], f'P{number:05d}.png'), scene.image)
    stems = [f'P{number:05d}' for number in range(images)]
    for number, stem in enumerate(stems):
        if number >= DRAWN:
            os.link(os.path.join(folders['images'], stems[number % DRAWN] + '.png'),
                    os.path.join(folders['images'], stem + '.png'))
        writing.save_pickle(os.path.join(folders['ins'], stem + '.pkl'), drawn[number % DRAWN])
    writing.save_text(os.path.join(root, 'train.txt'), ''.join(stem + '\n' for stem in stems))
    return stems


def published(root, stems, out):
    """The published way: everything of an image decoded, every mask measured by itself, one dump at the end."""
    value = {'images': [], 'annotations': [], 'categories': [
        {'id': index, 'name': name} for index, name in enumerate(catalogue.get('sota').classes)]}
    for image_id, stem in enumerate(stems):
        with open(os.path.join(root, 'ins', stem + '.pkl'), 'rb') as stream:
            instances = pickle.load(stream)
        pixels = np.array(Image.open(os.path.join(root, 'images', stem + '.png')))
        for instance in instances:
            value['annotations'].append({
                'iscrowd': 0, 'category_id': instance['label'], 'bbox': coco_mask.toBbox(instance['mask']).tolist(),
                'area': coco_mask.area(instance['mask']), 'segmentation': instance['mask'], 'image_id': image_id,
                'id': len(value['annotations'])})
        value['images'].append({'file_name': stem + '.png', 'height': pixels.shape[0], 'width': pixels.shape[1],
                                'segm_file': stem + '.pkl', 'id': image_id})
    with open(out, 'w') as stream:
        json.dump(value, stream, default=lambda number: number.item())


def ours(root, out, jobs):
    """Our converter, as typed; ids from 0 as the published way has them."""
    code = samrs2coco.main(['--dataset', 'sota', '--split', 'train', '--root', root, '--out', os.path.dirname(out),
                            '--images', os.path.join(root, 'images'), '--labels', os.path.join(root, 'ins'),
                            '--name-template', os.path.basename(out), '--id-base', '0', '--overwrite',
                            '--jobs', str(jobs)])
    if code:
        raise SystemExit(f'our converter ended with code {code}')


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def load(path):
    with open(path) as stream:
        value = json.load(stream)
    value.pop('info', None)
    return value


def bench_samrs(images, repeats):
    """What to say of the two ways, with one process and with all; equality first."""
    with tempfile.TemporaryDirectory() as root:
        stems = make_samrs(root, images)
        theirs, mine = os.path.join(root, 'published.json'), os.path.join(root, 'ours.json')
        published(root, stems, theirs)
        ours(root, mine, 1)
        if load(theirs) != load(mine):
            raise SystemExit('samrs: the two ways differ')
        cores = os.cpu_count()
        ratios = {1: [], cores: []}
        for _ in range(repeats):
            base = timed(published, root, stems, theirs)
            for jobs in ratios:
                seconds = timed(ours, root, mine, jobs)
                ratios[jobs].append(base / seconds)
                print(f'samrs: published {base:.1f} s, ours with {jobs} process(es) {seconds:.2f} s')
    return 'samrs: {} images, {} instances, equal; {}'.format(images, images * INSTANCES, ', '.join(
        '{:.1f} times ({:.1f} to {:.1f}) with {} process{}'.format(
            statistics.median(values), min(values), max(values), jobs, 'es' if jobs > 1 else '')
        for jobs, values in ratios.items()))


def make_texts(root, images, detections):
    """TIFF images and ``Task1_<class>.txt`` with ``detections`` of each image; the image ids."""
    rng = np.random.default_rng(0)
    # the three classes whose hyphen stays are left out: the published way spells them wrongly
    classes = [name for name in catalogue.get('fair1m').classes if not name.startswith('other-')]
    folder = os.path.join(root, 'images')
    writing.save_image(os.path.join(folder, '0.tif'), rng.integers(0, 255, (1000, 1000, 3)).astype(np.uint8))
    rows = {name: [] for name in classes}
    for image in range(images):
        if image:
            os.link(os.path.join(folder, '0.tif'), os.path.join(folder, f'{image}.tif'))
        x, y = rng.uniform(0, 900, (2, detections))
        w, h = rng.uniform(8, 90, (2, detections))
        corners = np.stack([x, y, x + w, y + h / 9, x + w - h / 9, y + h, x - h / 9, y + h - w / 99], 1)
        for number, (box, score) in enumerate(zip(corners.tolist(), rng.uniform(0.05, 1, detections).tolist())):
            rows[classes[number % len(classes)]].append('{} {!r} {}\n'.format(
                image, score, ' '.join(f'{value:.2f}' for value in box)))
    for name, lines in rows.items():
        writing.save_text(os.path.join(root, 'txt', f'Task1_{name}.txt'), ''.join(lines))
    return [str(image) for image in range(images)]


def published_xml(root, out, chosen):
    """The published way on some images: a skeleton of each, each detection added to its file, then all indented."""
    os.makedirs(os.path.join(out, 'init'))
    os.makedirs(os.path.join(out, 'test'))
    for image in chosen:
        pixels = np.array(Image.open(os.path.join(root, 'images', image + '.tif')))
        tree = ElementTree.Element('annotation')
        ElementTree.SubElement(ElementTree.SubElement(tree, 'source'), 'filename').text = image + '.tif'
        size = ElementTree.SubElement(tree, 'size')
        for tag, value in zip(('height', 'width', 'depth'), pixels.shape):
            ElementTree.SubElement(size, tag).text = str(value)
        ElementTree.SubElement(tree, 'objects')
        ElementTree.ElementTree(tree).write(os.path.join(out, 'init', image + '.xml'), 'utf-8', True)
    for text in os.listdir(os.path.join(root, 'txt')):
        with open(os.path.join(root, 'txt', text)) as stream:
            for line in stream:
                image, score, *corners = line.split()
                if image in chosen:
                    _add(os.path.join(out, 'init', image + '.xml'), text[6:-4].replace('-', ' '), score,
                         [float(value) for value in corners])
    for image in chosen:
        pretty = minidom.parse(os.path.join(out, 'init', image + '.xml')).toprettyxml(encoding='utf-8')
        with open(os.path.join(out, 'test', image + '.xml'), 'wb') as stream:
            stream.write(pretty)


def _add(path, name, score, corners):
    tree = ElementTree.parse(path)
    entry = ElementTree.SubElement(tree.getroot().find('objects'), 'object')
    for tag, value in (('coordinate', 'pixel'), ('type', 'rectangle'), ('description', 'None')):
        ElementTree.SubElement(entry, tag).text = value
    result = ElementTree.SubElement(entry, 'possibleresult')
    ElementTree.SubElement(result, 'name').text = name
    ElementTree.SubElement(result, 'probability').text = score
    points = ElementTree.SubElement(entry, 'points')
    for index in (0, 2, 4, 6, 0):
        ElementTree.SubElement(points, 'point').text = '{:.6f},{:.6f}'.format(*corners[index:index + 2])
    tree.write(path, 'utf-8', True)


def ours_xml(root, target):
    """Our script, as typed; it writes the zip."""
    code = fair1m_texts.main(['--txt_dir', os.path.join(root, 'txt'), '--images', os.path.join(root, 'images'),
                              '--out', target, '--jobs', '1'])
    if code:
        raise SystemExit(f'our script ended with code {code}')


def objects_in(text):
    """Size and sorted objects of an XML: how objects are ordered is not defined in the published way."""
    root = ElementTree.fromstring(text)
    return [root.find('size/' + tag).text for tag in ('width', 'height', 'depth')], sorted(
        [node.text.strip() for node in entry.iter() if len(node) == 0] for entry in root.find('objects'))


def bench_xml(images, detections, chosen, repeats):
    """What to say of the two ways, in one process; equality first."""
    with tempfile.TemporaryDirectory() as root:
        ids = make_texts(root, images, detections)
        ids = ids[::max(1, len(ids) // chosen)][:chosen]
        ratios = []
        for _ in range(repeats):
            theirs, mine = os.path.join(root, 'theirs'), os.path.join(root, 'ours.zip')
            base = timed(published_xml, root, theirs, set(ids)) / len(ids)
            seconds = timed(ours_xml, root, mine) / images
            with zipfile.ZipFile(mine) as archive:
                for image in ids:
                    with open(os.path.join(theirs, 'test', image + '.xml'), 'rb') as stream:
                        if objects_in(stream.read()) != objects_in(archive.read(f'test/{image}.xml')):
                            raise SystemExit(f'xml: the two ways differ in image {image}')
            shutil.rmtree(theirs)
            os.unlink(mine)
            ratios.append(base / seconds)
            print('xml: published {:.2f} s an image, ours {:.4f} s'.format(base, seconds))
    return 'xml: {} images with {} detections, {} of them the published way too, equal; {:.0f} times ({:.0f} to ' \
        '{:.0f})'.format(images, detections, len(ids), statistics.median(ratios), min(ratios), max(ratios))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', choices=['samrs', 'xml', []], help='default: all')
    parser.add_argument('--images', type=int, default=2000, help='of samrs (default: %(default)s)')
    parser.add_argument('--published-images', type=int, default=4, help='of xml (default: %(default)s; all: 200)')
    parser.add_argument('--repeats', type=int, default=2)
    parser.add_argument('--quick', action='store_true', help='try it with little')
    options = parser.parse_args()
    if options.quick:
        options.images, options.repeats = 40, 1
    said = []
    if 'samrs' in options.parts or not options.parts:
        said.append(bench_samrs(options.images, options.repeats))
    if 'xml' in options.parts or not options.parts:
        size = (10, 60, 2) if options.quick else (200, 500, options.published_images)
        said.append(bench_xml(*size, repeats=options.repeats))
    print('; '.join(said))


if __name__ == '__main__':
    main()
