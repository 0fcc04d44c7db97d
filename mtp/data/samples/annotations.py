"""Label files in the publishers' formats, as text. Polygons are (4, 2) arrays, head left first, clockwise on screen."""
from typing import Iterable, Sequence
from xml.sax.saxutils import escape

import numpy as np

DIOR_CORNERS = ('left_top', 'right_top', 'right_bottom', 'left_bottom')


def dota_text(polygons: Sequence[np.ndarray], names: Sequence[str], last: Sequence[int], header: str = '',
              newline: str = '\n') -> str:
    """DOTA lines ``x1 y1 ... x4 y4 name last``; ``last`` is the difficulty (DOTA) or the class index (SAMRS)."""
    lines = [header] if header else []
    for polygon, name, number in zip(polygons, names, last):
        numbers = ' '.join(f'{value:.1f}' for value in np.reshape(polygon, -1))
        lines.append(f'{numbers} {name} {number}')
    return ''.join(line + newline for line in lines)


def _dior(filename: str, width: int, height: int, objects: Iterable[str]) -> str:
    return ('<annotation>\n\t<filename>{}</filename>\n\t<source>\n\t\t<database>DIOR</database>\n\t</source>\n'
            '\t<size>\n\t\t<width>{}</width>\n\t\t<height>{}</height>\n\t\t<depth>3</depth>\n\t</size>\n'
            '\t<segmented>0</segmented>\n{}</annotation>\n').format(escape(filename), width, height, ''.join(objects))


def dior_oriented(filename: str, width: int, height: int, polygons: Sequence[np.ndarray], names: Sequence[str]) -> str:
    """DIOR-R annotation of one image."""
    objects = []
    for polygon, name in zip(polygons, names):
        corners = ''.join(f'\t\t\t<x_{tag}>{x}</x_{tag}>\n\t\t\t<y_{tag}>{y}</y_{tag}>\n'
                          for tag, (x, y) in zip(DIOR_CORNERS, np.round(polygon).astype(int)))
        objects.append('\t<object>\n\t\t<type>robndbox</type>\n\t\t<name>{}</name>\n\t\t<truncated>0</truncated>\n'
                       '\t\t<difficult>0</difficult>\n\t\t<robndbox>\n{}\t\t</robndbox>\n\t\t<angle>0</angle>\n'
                       '\t</object>\n'.format(escape(name), corners))
    return _dior(filename, width, height, objects)


def dior_horizontal(filename: str, width: int, height: int, polygons: Sequence[np.ndarray],
                    names: Sequence[str]) -> str:
    """DIOR annotation of one image: the upright box around each polygon."""
    objects = []
    for polygon, name in zip(polygons, names):
        numbers = np.round(np.concatenate([np.min(polygon, 0), np.max(polygon, 0)])).astype(int)
        box = ''.join(f'\t\t\t<{tag}>{value}</{tag}>\n'
                      for tag, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), numbers))
        objects.append('\t<object>\n\t\t<name>{}</name>\n\t\t<pose>Unspecified</pose>\n\t\t<bndbox>\n{}\t\t</bndbox>\n'
                       '\t</object>\n'.format(escape(name), box))
    return _dior(filename, width, height, objects)


def fair1m(filename: str, width: int, height: int, polygons: Sequence[np.ndarray], names: Sequence[str]) -> str:
    """FAIR1M annotation of one image; ``names`` in the official spelling (``Dry Cargo Ship``)."""
    objects = []
    for polygon, name in zip(polygons, names):
        ring = list(polygon) + [polygon[0]]
        points = ''.join(f'\t\t\t\t<point>{x:.6f},{y:.6f}</point>\n' for x, y in ring)
        objects.append('\t\t<object>\n\t\t\t<coordinate>pixel</coordinate>\n\t\t\t<type>rectangle</type>\n'
                       '\t\t\t<description>None</description>\n\t\t\t<possibleresult>\n\t\t\t\t<name>{}</name>\n'
                       '\t\t\t</possibleresult>\n\t\t\t<points>\n{}\t\t\t</points>\n\t\t</object>\n'
                       .format(escape(name), points))
    return ('<?xml version="1.0" encoding="utf-8"?>\n<annotation>\n\t<source>\n\t\t<filename>{}</filename>\n'
            '\t\t<origin>GF2/GF3</origin>\n\t</source>\n\t<research>\n\t\t<version>1.0</version>\n'
            '\t\t<provider>sample</provider>\n\t\t<author>sample</author>\n\t\t<pluginname>FAIR1M</pluginname>\n'
            '\t\t<pluginclass>object detection</pluginclass>\n\t\t<time>2021-03</time>\n\t</research>\n\t<size>\n'
            '\t\t<width>{}</width>\n\t\t<height>{}</height>\n\t\t<depth>3</depth>\n\t</size>\n\t<objects>\n{}'
            '\t</objects>\n</annotation>\n').format(escape(filename), width, height, ''.join(objects))
