"""Images and masks as the toolboxes of either environment open them: what is damaged is named, never made up."""
import os
import socket
import struct
import unicodedata
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mtp.errors import MTPError
from tests import environments

NAME = environments.of_the_record() or pytest.skip('no toolbox is installed', allow_module_level=True)
SIDE = 200


def encoded(suffix):
    coarse = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return cv2.imencode(suffix, cv2.resize(coarse, (SIDE, SIDE)))[1].tobytes()


def with_size(data, side):
    """A PNG whose header says that it is ``side`` pixels wide and high."""
    head = b'IHDR' + struct.pack('>II', side, side) + data[24:29]
    return data[:12] + head + struct.pack('>I', zlib.crc32(head)) + data[33:]


JPEG, PNG, TIFF = encoded('.jpg'), encoded('.png'), encoded('.tif')
BAD = {
    'half.jpg': JPEG[:len(JPEG) // 2], 'last_byte.jpg': JPEG[:-1], 'head.jpg': JPEG[:20], 'text.jpg': b'no picture\n',
    'empty.jpg': b'', 'half.png': PNG[:len(PNG) // 2], 'empty.png': b'', 'huge.png': with_size(PNG, 2 ** 31 - 1),
    'text.png': b'no picture\n', 'half.tif': TIFF[:len(TIFF) // 2], 'text.tif': b'II*\0', 'zeros.png': b'\0' * 3000}


def image_step():
    """Function of a path to pixels, by the step of the toolbox that pipelines name."""
    if NAME == 'mmrotate03':
        import mtp.adapters.mmrotate03  # noqa: F401
        from mmdet.datasets.builder import PIPELINES
        step = PIPELINES.build(dict(type='LoadImageFromFile'))
        return lambda path: step(dict(img_prefix=os.path.dirname(path), img_info=dict(
            filename=os.path.basename(path))))['img']
    import mtp.adapters.mmrotate1  # noqa: F401
    from mmengine.registry import TRANSFORMS
    step = TRANSFORMS.build(dict(type='LoadImageFromFile'))
    return lambda path: step(dict(img_path=path))['img']


def mask_step():
    pytest.importorskip('mmseg')
    import mtp.adapters.mmrotate1  # noqa: F401
    from mmseg.registry import TRANSFORMS
    step = TRANSFORMS.build(dict(type='LoadAnnotations'))
    return lambda path: step(dict(seg_map_path=path, seg_fields=[], reduce_zero_label=False))['gt_seg_map']


def change_step():
    pytest.importorskip('mmseg')
    import mtp.adapters.mmrotate1.change_detection  # noqa: F401
    from mtp.adapters.mmrotate1.change_detection.registry import TRANSFORMS
    step = TRANSFORMS.build(dict(type='MultiImgLoadAnnotations'))
    return lambda path: step(dict(seg_map_path=path, seg_fields=[]))['gt_seg_map']


def pair_step():
    pytest.importorskip('mmseg')
    import mtp.adapters.mmrotate1.change_detection  # noqa: F401
    from mtp.adapters.mmrotate1.change_detection.registry import TRANSFORMS
    step = TRANSFORMS.build(dict(type='MultiImgLoadImageFromFile'))
    return lambda path: step(dict(img_path=[path, path]))['img'][1]


@pytest.mark.parametrize('make', [image_step, mask_step, change_step, pair_step])
@pytest.mark.parametrize('limit', [Image.MAX_IMAGE_PIXELS, None])
def test_what_is_damaged_is_named(make, limit, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', limit)  # packages switch it off for the whole process
    read = make()
    for name, content in BAD.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(MTPError) as told:
            read(str(path))
        said = 'cannot {} {}: '.format('decode image' if content else 'read the image', path)
        assert str(told.value).startswith(said), name
        assert 'next: replace this file' in str(told.value) and '\n' not in told.value.args[0], name


@pytest.mark.parametrize('make', [image_step, mask_step])
def test_what_is_no_file_is_named_and_not_waited_for(make, tmp_path):
    read = make()
    os.mkfifo(str(tmp_path / 'fifo.png'))
    (tmp_path / 'folder.png').mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / 'socket.png'))
    for name, reason in (('gone.png', 'there is no image'), ('fifo.png', 'no plain file'),
                         ('folder.png', 'it is a folder'), ('socket.png', 'no plain file')):
        with pytest.raises(MTPError, match=f'{name}: (it is )?{reason}'):
            read(str(tmp_path / name))


def test_whole_images_are_what_they_were(tmp_path):
    read = image_step()
    comment = b'\xff\xfe\x00\x06\xff\xd9hi'  # a segment that holds the two bytes of an end
    for name, content in (('a.jpg', JPEG), ('b.png', PNG), ('c.tif', TIFF), ('tail.jpg', JPEG + b'\0' * 9),
                          ('comment.jpg', JPEG[:2] + comment + JPEG[2:])):
        (tmp_path / name).write_bytes(content)
        expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(read(str(tmp_path / name)), expected), name


@pytest.mark.parametrize('asked, there', [('NFC', 'NFD'), ('NFD', 'NFC')])
@pytest.mark.parametrize('make', [image_step, mask_step, change_step, pair_step])
def test_the_name_is_there_in_another_form_of_unicode(make, asked, there, tmp_path):
    if NAME == 'mmrotate03':
        pytest.skip('its data sets say the name that is there')
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4) + 120
    name = 'Orléans_서울.png'
    (tmp_path / unicodedata.normalize(there, name)).write_bytes(cv2.imencode('.png', pixels)[1].tobytes())
    read = make()(str(tmp_path / unicodedata.normalize(asked, name)))
    assert np.array_equal(read if read.ndim == 2 else read[..., 0], pixels)


def test_a_comment_that_holds_an_end_is_none(tmp_path):
    read, path = image_step(), tmp_path / 'a.jpg'
    path.write_bytes((JPEG[:2] + b'\xff\xfe\x00\x06\xff\xd9hi' + JPEG[2:])[:-300])
    with pytest.raises(MTPError, match='hold no end of a JPEG'):
        read(str(path))
