"""Ten drawn images with two kinds of objects, written in every layout that a folder of one's own can have."""
import json
import os
import sqlite3
import struct
import sys

import cv2
import numpy as np

SIDE, COUNT = 96, 10
CLASSES = ('plane', 'ship')
SHADES = ((40, 40, 220), (220, 200, 40))  # BGR
ORIGIN, PIXEL = (500000., 4100000.), 0.5  # UTM 33 N


def scene(seed, side=SIDE, objects=3):
    """Pixels (side, side, 3) uint8 and [(class number, corners (4, 2))]: bright turned boxes on a dull ground."""
    rng = np.random.RandomState(seed)
    pixels = np.clip(rng.normal(90, 6, (side, side, 3)), 0, 255).astype(np.uint8)
    found = []
    cells = rng.permutation(4)[:objects]
    for number, cell in enumerate(cells):
        kind = (number + seed) % 2
        centre = (np.array([cell % 2, cell // 2]) * 2 + 1) * side / 4 + rng.uniform(-side / 20, side / 20, 2)
        size = np.array([(0.36, 0.15), (0.24, 0.2)][kind]) * side
        angle = rng.uniform(0, np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = (np.array([[-.5, -.5], [.5, -.5], [.5, .5], [-.5, .5]]) * size) @ turn.T + centre
        cv2.fillPoly(pixels, [np.round(corners).astype(np.int32)], SHADES[kind])
        found.append((kind, corners))
    return pixels, found


def scenes(count=COUNT, side=SIDE):
    """(stem, pixels, objects) of every image."""
    return [(f'scene_{number}',) + scene(number, side) for number in range(count)]


def save(path, pixels):
    """Write an image, its folder too."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    assert cv2.imwrite(path, pixels)


def write(path, text):
    """Write a text, its folder too."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(text)


def bounds(corners):
    """xmin, ymin, xmax, ymax."""
    return np.concatenate([corners.min(0), corners.max(0)])


def dota(root, **how):
    """images/*.png, labelTxt/*.txt."""
    for stem, pixels, objects in scenes(**how):
        save(os.path.join(root, 'images', stem + '.png'), pixels)
        write(os.path.join(root, 'labelTxt', stem + '.txt'), 'imagesource:drawn\n' + ''.join(
            '{} {} 0\n'.format(' '.join(map('{:.2f}'.format, corners.ravel())), CLASSES[kind])
            for kind, corners in objects))


def yolo_obb(root, **how):
    """images/*.jpg, labels/*.txt, data.yaml."""
    for stem, pixels, objects in scenes(**how):
        save(os.path.join(root, 'images', stem + '.jpg'), pixels)
        write(os.path.join(root, 'labels', stem + '.txt'), ''.join('{} {}\n'.format(kind, ' '.join(
            map('{:.6f}'.format, (corners / pixels.shape[0]).clip(0, 1).ravel()))) for kind, corners in objects))
    write(os.path.join(root, 'data.yaml'), 'train: images\nnames:\n  0: plane\n  1: ship\n')


def yolo(root, **how):
    """train/images, train/labels, valid/images, valid/labels, data.yaml."""
    for number, (stem, pixels, objects) in enumerate(scenes(**how)):
        part = 'valid' if number % 5 == 4 else 'train'
        side = pixels.shape[0]
        save(os.path.join(root, part, 'images', stem + '.jpg'), pixels)
        rows = []
        for kind, corners in objects:
            x0, y0, x1, y1 = (bounds(corners) / side).clip(0, 1)
            rows.append(f'{kind} {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}\n')
        write(os.path.join(root, part, 'labels', stem + '.txt'), ''.join(rows))
    write(os.path.join(root, 'data.yaml'), "train: train/images\nval: valid/images\nnames: ['plane', 'ship']\n")


def coco(root, rle=False, **how):
    """images/*.png, annotations/instances.json."""
    images, annotations = [], []
    for number, (stem, pixels, objects) in enumerate(scenes(**how)):
        save(os.path.join(root, 'images', stem + '.png'), pixels)
        images.append(dict(id=number, file_name=stem + '.png', width=pixels.shape[1], height=pixels.shape[0]))
        for kind, corners in objects:
            x0, y0, x1, y1 = bounds(corners)
            outline = dict(size=[9, 9], counts='PPYo1') if rle else [np.round(corners, 2).ravel().tolist()]
            annotations.append(dict(id=len(annotations), image_id=number, category_id=kind + 3, iscrowd=0, area=1.,
                                    bbox=[x0, y0, x1 - x0, y1 - y0], segmentation=outline))
    categories = [dict(id=kind + 3, name=name) for kind, name in enumerate(CLASSES)]
    write(os.path.join(root, 'annotations', 'instances.json'), json.dumps(
        dict(images=images, annotations=annotations, categories=categories)))


def voc(root, rotated=False, **how):
    """JPEGImages, Annotations, ImageSets/Main: as Pascal VOC; ``rotated`` as DIOR-R."""
    names = dict(train=[], val=[])
    for number, (stem, pixels, objects) in enumerate(scenes(**how)):
        names['val' if number % 5 == 4 else 'train'].append(stem)
        save(os.path.join(root, 'JPEGImages', stem + '.jpg'), pixels)
        text = '<annotation><filename>{}.jpg</filename><size><width>{}</width><height>{}</height></size>\n'.format(
            stem, *pixels.shape[1::-1])
        for kind, corners in objects:
            tags = zip(('xmin', 'ymin', 'xmax', 'ymax'), bounds(corners))
            if rotated:
                places = ('left_top', 'right_top', 'right_bottom', 'left_bottom')
                tags = [(axis + '_' + place, value) for place, point in zip(places, corners)
                        for axis, value in zip('xy', point)]
            text += '<object><name>{}</name><{box}>{}</{box}></object>\n'.format(CLASSES[kind], ''.join(
                '<{0}>{1:.1f}</{0}>'.format(*pair) for pair in tags), box='robndbox' if rotated else 'bndbox')
        write(os.path.join(root, 'Annotations', stem + '.xml'), text + '</annotation>\n')
    for part, stems in names.items():
        write(os.path.join(root, 'ImageSets', 'Main', part + '.txt'), ''.join(stem + '\n' for stem in stems))


def _raster(path, pixels, number):
    """A GeoTIFF; each lies east of the one before. Returns a function from pixels to the ground."""
    import rasterio
    from rasterio.transform import from_origin

    os.makedirs(os.path.dirname(path), exist_ok=True)
    x, y = ORIGIN[0] + number * 1000, ORIGIN[1]
    with rasterio.open(path, 'w', driver='GTiff', width=pixels.shape[1], height=pixels.shape[0], count=3, dtype='uint8',
                       crs='EPSG:32633', transform=from_origin(x, y, PIXEL, PIXEL)) as stream:
        stream.write(np.moveaxis(pixels[..., ::-1], -1, 0))
    return lambda points: np.array([x, y]) + np.asarray(points) * [PIXEL, -PIXEL]


def _closed(ground):
    return np.concatenate([ground, ground[:1]]).tolist()


def geojson(root, **how):
    """*.tif, and a *.geojson in longitude and latitude beside each."""
    from rasterio import warp

    for number, (stem, pixels, objects) in enumerate(scenes(**how)):
        to_ground = _raster(os.path.join(root, stem + '.tif'), pixels, number)
        features = []
        for kind, corners in objects:
            x, y = to_ground(corners).T
            ground = np.stack(warp.transform('EPSG:32633', 'EPSG:4326', x, y), 1)
            features.append(dict(type='Feature', properties={'Class': CLASSES[kind]}, geometry=dict(
                type='Polygon', coordinates=[_closed(ground)])))
        write(os.path.join(root, stem + '.geojson'), json.dumps(dict(type='FeatureCollection', features=features)))


def geopackage(root, **how):
    """images/*.tif, and one labels.gpkg over all of them."""
    rows = []
    for number, (stem, pixels, objects) in enumerate(scenes(**how)):
        to_ground = _raster(os.path.join(root, 'images', stem + '.tif'), pixels, number)
        rows += [(CLASSES[kind], to_ground(corners)) for kind, corners in objects]
    link = sqlite3.connect(os.path.join(root, 'labels.gpkg'))
    link.executescript('''
        CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT,
            organization_coordsys_id INTEGER, definition TEXT, description TEXT);
        CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, geometry_type_name TEXT, srs_id INTEGER,
            z INTEGER, m INTEGER);
        INSERT INTO gpkg_spatial_ref_sys VALUES ('UTM', 32633, 'EPSG', 32633, '', '');
        INSERT INTO gpkg_geometry_columns VALUES ('objects', 'geom', 'POLYGON', 32633, 0, 0);
        CREATE TABLE objects (fid INTEGER PRIMARY KEY, geom BLOB, label TEXT);''')
    for name, ground in rows:
        points = _closed(ground)
        blob = struct.pack('<2sBBi', b'GP', 0, 1, 32633) + struct.pack('<BIII', 1, 3, 1, len(points))
        blob += struct.pack(f'<{2 * len(points)}d', *np.ravel(points))
        link.execute('INSERT INTO objects (geom, label) VALUES (?, ?)', (blob, name))
    link.commit()
    link.close()


def _mask(pixels, objects, values=(1, 2)):
    mask = np.zeros(pixels.shape[:2], np.uint8)
    for kind, corners in objects:
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], int(values[kind]))
    return mask


def masks(root, suffix='.png', **how):
    """images, masks (<stem>_mask), classes.txt."""
    for stem, pixels, objects in scenes(**how):
        save(os.path.join(root, 'images', stem + '.png'), pixels)
        save(os.path.join(root, 'masks', stem + '_mask' + suffix), _mask(pixels, objects))
    write(os.path.join(root, 'classes.txt'), 'background\nplane\nship\n')


def pairs(root, **how):
    """before, after, label: 255 where an object has come."""
    for stem, pixels, objects in scenes(**how):
        empty = scene(int(stem.split('_')[1]) + 1000, pixels.shape[0], 0)[0]
        save(os.path.join(root, 'before', stem + '.png'), empty)
        save(os.path.join(root, 'after', stem + '.png'), pixels)
        save(os.path.join(root, 'label', stem + '.png'), _mask(pixels, objects, (255, 255)))


def kinds(root, count=COUNT, side=SIDE):
    """One folder a class."""
    for kind, name in enumerate(CLASSES):
        for number in range(count // 2):
            pixels = scene(number + 50 * kind, side, 0)[0]
            cv2.circle(pixels, (side // 2, side // 2), side // 3, SHADES[kind], -1)
            save(os.path.join(root, name, f'{name}_{number}.jpg'), pixels)


#: layout -> (writer, tasks that it is tried for)
ALL = {'dota': (dota, ('rotated', 'horizontal')), 'yolo-obb': (yolo_obb, ('rotated', 'horizontal')),
       'yolo': (yolo, ('horizontal',)), 'coco': (coco, ('rotated', 'horizontal', 'segmentation')),
       'voc': (voc, ('horizontal',)), 'geojson': (geojson, ('rotated', 'horizontal', 'segmentation')),
       'geopackage': (geopackage, ('rotated', 'segmentation')), 'masks': (masks, ('segmentation',)),
       'pairs': (pairs, ('change',)), 'classes': (kinds, ('classification',))}


if __name__ == '__main__':  # python tests/own/drawn.py LAYOUT FOLDER
    ALL[sys.argv[1]][0](sys.argv[2])
