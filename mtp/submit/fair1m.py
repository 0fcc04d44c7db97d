"""FAIR1M-2.0 results: one XML for every test image, in the folder ``test/`` of a zip."""
import os
import time
import zipfile
from typing import Dict, NamedTuple, Tuple
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

from mtp.boxes import rboxes_to_polygons
from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.files import atomic_path
from mtp.progress import track

from .dota import write_texts

#: What the published results say about themselves; the server does not look at it.
RESEARCH = {'version': '2.0', 'provider': 'WHU', 'author': 'SIGMA_dw', 'pluginname': 'FAIR1M',
            'pluginclass': 'object detection', 'time': '2024-02'}

_HEAD = '''<?xml version="1.0" encoding="utf-8"?>
<annotation>
\t<source>
\t\t<filename>{filename}</filename>
\t\t<origin>GF2/GF3</origin>
\t</source>
\t<research>
{research}
\t</research>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>{depth}</depth>
\t</size>
'''
_OBJECT = '''\t\t<object>
\t\t\t<coordinate>pixel</coordinate>
\t\t\t<type>rectangle</type>
\t\t\t<description>None</description>
\t\t\t<possibleresult>
\t\t\t\t<name>%s</name>
\t\t\t\t<probability>%s</probability>
\t\t\t</possibleresult>
\t\t\t<points>
{points}\t\t\t</points>
\t\t</object>
'''
#: Formats of a coordinate: as it is, and with the two decimals that the text of the same detection has.
EXACT, AS_TEXT = '%.6f', '%.2f0000'


class Objects(NamedTuple):
    """The detections of one image.

    Attributes:
        names: official class names.
        scores: as text.
        corners: (n, 8) nested lists of float.
        form: format of a coordinate.
    """
    names: list
    scores: list
    corners: list
    form: str


def official_names(classes) -> Tuple[str, ...]:
    """Spelling on the server of the catalogue's class names: ``Small-Car`` is ``Small Car``, ``other-ship`` stays."""
    spelling = catalogue.get('fair1m').spelling
    return tuple(spelling.get(name, name) for name in classes)


def write(detections, out_dir, images):
    """Texts and ``test.zip`` for FAIR1M; see :func:`mtp.submit.package`.

    The corners in the XML are those of the texts (two decimals), so both say the same.
    """
    paths = write_texts(detections, out_dir)
    target = os.path.join(out_dir, 'test.zip')
    write_zip(target, images, _per_image(detections))
    return [target] + paths


def _per_image(detections):
    """Function from image id to :class:`Objects`."""
    names = official_names(detections.classes)
    position = {image: index for index, image in enumerate(detections.images)}
    order = np.argsort(detections.image, kind='stable')
    begin = np.searchsorted(detections.image[order], np.arange(len(detections.images) + 1))

    def objects(image):
        rows = order[begin[position[image]]:begin[position[image] + 1]]
        scores = list(map(repr, detections.score[rows].astype(np.float64).tolist()))
        return Objects([names[label] for label in detections.label[rows].tolist()], scores,
                       rboxes_to_polygons(detections.rbox[rows]).tolist(), AS_TEXT)
    return objects


def write_zip(target, images: Dict[str, str], objects):
    """Write the zip: ``test/<id>.xml`` for every image, also for those without a detection.

    Args:
        target: path of the zip.
        images: image id -> path; only headers are read.
        objects: function from image id to :class:`Objects`.
    """
    stamp = time.localtime()[:6]
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED) as archive:
        for image in track(list(images), 'xml'):
            member = zipfile.ZipInfo('test/{}.xml'.format(image), date_time=stamp)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, document(image, images[image], objects(image)).encode('utf-8'))


def document(image, path, objects):
    """XML text of one image, in the form of the published results (tabs, LF)."""
    width, height, depth = _header(path)
    research = '\n'.join('\t\t<{0}>{1}</{0}>'.format(key, escape(value)) for key, value in RESEARCH.items())
    head = _HEAD.format(filename=escape(image) + '.tif', research=research, width=width, height=height, depth=depth)
    if not objects.names:
        return head + '\t<objects/>\n</annotation>\n'
    points = '\t\t\t\t<point>{0},{0}</point>\n'.format(objects.form) * 5
    form = _OBJECT.format(points=points)  # filled with %, the fastest way: a test set has millions of objects
    rows = [form % (name, score, *corners, corners[0], corners[1])
            for name, score, corners in zip(objects.names, objects.scores, objects.corners)]
    return '{}\t<objects>\n{}\t</objects>\n</annotation>\n'.format(head, ''.join(rows))


def _header(path):
    """Width, height and number of bands of an image, from its header."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # no pixel is decoded
    try:
        with Image.open(path) as image:
            return image.size[0], image.size[1], len(image.getbands())
    except Exception as error:  # PIL's plugins raise many kinds for a damaged header
        raise MTPError('cannot read the size of image {}: {}'.format(path, error)) from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit
