"""Images of strangers: every kind is read by one rule whatever looks at it, and none takes more than itself."""
import os
import struct
import zlib

import numpy as np
import pytest

from mtp.data import images, raster_files
from mtp.errors import MTPError
from mtp.predict import inputs
from mtp.tiles import cut, rows, sources
from mtp.tiles.pixels import list_images, read_image
from mtp.tiles.rasters import Raster, size
from mtp.tiles.windows import Preset

cv2 = pytest.importorskip('cv2')
rasterio = pytest.importorskip('rasterio')
pytestmark = pytest.mark.filterwarnings('ignore')  # these pictures lie nowhere on the ground
SIDE = 96


def save(path, values, **options):
    driver = {'.tif': 'GTiff', '.png': 'PNG', '.jp2': 'JP2OpenJPEG', '.bmp': 'BMP'}[os.path.splitext(path)[1].lower()]
    with rasterio.open(path, 'w', driver=driver, count=len(values), height=values.shape[1], width=values.shape[2],
                       dtype=str(values.dtype), **options) as stream:
        stream.write(values)
    return path


def noise(bands, kind='uint8', top=256):
    return np.random.default_rng(0).integers(0, top, (bands, SIDE, SIDE)).astype(kind)


def stretched(values):
    low, high = np.percentile(values, (0.5, 99.5), axis=(1, 2), keepdims=True)
    return np.clip((values.astype(float) - low) / (high - low) * 255, 0, 255)


#: name of the file, numbers in it, what they become (RGB), how it is written.
KINDS = {
    'near infrared': ('a.tif', noise(4), noise(4)[:3], dict(photometric='RGB')),
    'near infrared, no colours named': ('a.tif', noise(4), noise(4)[:3], dict(photometric='MINISBLACK')),
    'eight bands of 16 bits': ('a.tif', noise(8, 'uint16', 3000), stretched(noise(8, 'uint16', 3000)[:3]), {}),
    'three bands of 16 bits': ('a.tif', noise(3, 'uint16', 3000), stretched(noise(3, 'uint16', 3000)), {}),
    '16 bits in a PNG': ('a.png', noise(3, 'uint16', 3000), stretched(noise(3, 'uint16', 3000)), {}),
    'fractions': ('a.tif', noise(3, 'float32', 900) / 900, stretched(noise(3, 'float32', 900)), {}),
    'one band': ('A.TIF', noise(1), noise(1)[[0, 0, 0]], {}),
    'JPEG 2000': ('a.jp2', noise(3), noise(3), dict(REVERSIBLE='YES', QUALITY='100')),
}


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_every_verb_sees_the_same_pixels(tmp_path, kind):
    """Tiles on disk, windows cut on the fly, whole tiles of a test and predictions."""
    name, values, expected, options = KINDS[kind]
    path = save(str(tmp_path / name), values, **options)
    expected = np.moveaxis(expected, 0, -1)[..., ::-1]
    found = read_image(path)
    assert np.abs(found - expected).max() <= 0.51
    assert np.array_equal(found, Raster(path).take(0, SIDE))
    assert images.size(path) == (SIDE, SIDE) and list_images(str(tmp_path)) == {name[0]: path}
    assert inputs.find_images([str(tmp_path)]) == {name[0]: path}
    piece, = sources.of_images({'a': path}, Preset(SIDE, 0))
    assert np.array_equal(next(sources.read(piece))[1], found)
    cut.cut_folder('demo_ss', str(tmp_path), str(tmp_path / 'out'))
    tile = read_image(str(tmp_path / 'out' / 'images' / (name[0] + '__256__0___0.png')))
    assert np.array_equal(tile[:SIDE, :SIDE], found)


def test_a_palette_and_bits_are_colours(tmp_path):
    from PIL import Image
    picture = Image.fromarray(np.moveaxis(noise(3), 0, -1))
    for name, form in (('p.png', picture.quantize(9)), ('p.tif', picture.quantize(9)), ('b.png', picture.convert('1')),
                       ('b.tif', picture.convert('1'))):
        form.save(str(tmp_path / name))
        expected = np.array(form.convert('RGB'))[..., ::-1].astype(int)
        assert np.abs(read_image(str(tmp_path / name)) - expected).max() <= 1


def test_the_orientation_of_a_camera_is_not_applied(tmp_path):
    from PIL import Image
    tall = np.zeros((40, 20, 3), np.uint8)
    tags = Image.Exif()
    tags[274] = 6
    Image.fromarray(tall).save(str(tmp_path / 'a.jpg'), exif=tags)
    assert read_image(str(tmp_path / 'a.jpg')).shape == (40, 20, 3)


VRT = ('<VRTDataset rasterXSize="40" rasterYSize="20"><VRTRasterBand dataType="Byte" band="1" '
       'subClass="VRTRawRasterBand"><SourceFilename relativetoVRT="0">{}</SourceFilename><ImageOffset>0</ImageOffset>'
       '<PixelOffset>1</PixelOffset><LineOffset>40</LineOffset></VRTRasterBand></VRTDataset>')
REDIRECTIONS = {
    'virtual raster': VRT.format('/etc/passwd'),
    'web map': '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/a</ServerUrl></Service></GDAL_WMS>',
    'mosaic': '{"type":"FeatureCollection","stac_version":"1.0.0","features":[]}',
    'header of raw numbers': 'ENVI\nsamples = 40\nlines = 20\nbands = 1\ndata type = 1\n',
}


@pytest.mark.parametrize('kind', sorted(REDIRECTIONS))
@pytest.mark.parametrize('suffix', ['.tif', '.png', '.jpg', '.jp2'])
def test_a_text_that_leads_to_other_files_is_no_image(tmp_path, kind, suffix):
    path = tmp_path / ('a' + suffix)
    path.write_text(REDIRECTIONS[kind])
    for look in (read_image, images.size, Raster, rows.open_rows, raster_files.open_raster):
        with pytest.raises(MTPError, match='a' + suffix):
            look(str(path))


def test_files_beside_an_image_are_not_followed(tmp_path):
    """A small version or a mask of another file would be taken where a reduced picture is asked for."""
    path = save(str(tmp_path / 'a.tif'), np.full((1, 512, 512), 7, np.uint8), tiled=True)
    (tmp_path / 'secret').write_bytes(b'\xc8' * 65536)
    small = VRT.format(str(tmp_path / 'secret')).replace('"40"', '"256"').replace('"20"', '"256"')
    for name in ('a.tif.ovr', 'a.tif.msk'):
        (tmp_path / name).write_text(small)
    (tmp_path / 'a.tif.aux.xml').write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{}</MDI></Metadata></PAMDataset>'.format(
            tmp_path / 'a.tif.ovr'))
    assert (Raster(path).overview(256) == 7).all()


def test_names_of_the_file_systems_of_gdal_are_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs('http:')
    save('a.tif', noise(1))
    os.rename('a.tif', 'http:/a.tif')
    assert read_image('http:/a.tif').shape == (SIDE, SIDE, 3)  # a folder, no address
    for name in ('/vsicurl/http://127.0.0.1:9/a.tif', '/vsizip/a.zip/a.tif', 'http://127.0.0.1:9/a.tif',
                 'GTIFF_DIR:1:a.tif'):
        with pytest.raises(MTPError, match='there is no image'):
            read_image(name)


def test_a_world_file_places_a_picture(tmp_path):
    """Its numbers are of the middle of the first pixel."""
    cv2.imwrite(str(tmp_path / 'a.jpg'), np.zeros((40, 60, 3), np.uint8))
    (tmp_path / 'a.jgw').write_text('0.5\n0.1\n-0.2\n-0.5\n1000.0\n2000.0\n')
    ground = Raster(str(tmp_path / 'a.jpg')).ground
    assert np.allclose(ground.to_ground, (0.5, -0.2, 1000 - 0.15, 0.1, -0.5, 2000 + 0.2))
    (tmp_path / 'a.jgw').write_text('0.5\n')
    with pytest.raises(MTPError, match='a.jgw'):
        size(str(tmp_path / 'a.jpg'))
    with pytest.raises(MTPError, match='a.jgw'):
        Raster(str(tmp_path / 'a.jpg')).ground
    assert Raster(str(tmp_path / 'a.jpg')).take(0, 40).shape == (40, 60, 3)  # a cut asks for no place


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(data, zlib.crc32(kind)))


def png(width, height, data, colour=2, depth=8, interlaced=0):
    header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, interlaced)
    return images.PNG + chunk(b'IHDR', header) + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def zeros(count):
    packer, block = zlib.compressobj(1), bytes(1 << 20)
    return b''.join([packer.compress(block) for _ in range(count >> 20)] + [packer.flush()])


def bmp(width, height):
    return b'BM' + struct.pack('<IHHIIiiHHIIiiII', 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(64)


def tif(width, height):
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, min(width * height, 2 ** 32 - 1))]
    return (b'II*\0' + struct.pack('<IH', 8, len(tags)) + b''.join(struct.pack('<HHII', *tag) for tag in tags)
            + bytes(104))


def jpg(width, height):
    data = bytearray(cv2.imencode('.jpg', np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    at = data.find(b'\xff\xc0')
    data[at + 5:at + 9] = struct.pack('>HH', height, width)
    return bytes(data)


HUGE = {  # file, content
    'JPEG': ('a.jpg', jpg(65500, 65500)), 'JPEG that OpenCV would take': ('a.jpg', jpg(30000, 30000)),
    'largest PNG': ('a.png', png(2 ** 31 - 1, 2 ** 31 - 1, zlib.compress(b''))),
    'wide PNG': ('a.png', png(2 ** 31 - 1, 1, zlib.compress(b''))),
    'tall PNG': ('a.png', png(1, 2 ** 31 - 1, zlib.compress(b''))),
    'PNG of 16 bits': ('a.png', png(60000, 60000, zlib.compress(b''), depth=16)),
    'PNG of 60000 a side': ('a.png', png(60000, 60000, zlib.compress(b''))),
    'BMP': ('a.bmp', bmp(2 ** 31 - 1, 2 ** 31 - 1)), 'BMP of 40000 a side': ('a.bmp', bmp(40000, 40000)),
    'TIFF': ('a.tif', tif(2 ** 32 - 1, 2 ** 32 - 1)), 'TIFF of 60000 a side': ('a.tif', tif(60000, 60000)),
    'interlaced PNG with more behind its rows': ('a.png', png(64, 64, zeros(50 << 20), interlaced=1)),
}


@pytest.mark.parametrize('kind', sorted(HUGE))
def test_what_a_header_promises_is_not_paid_for(tmp_path, kind):
    """No list of windows, no rows: an error or, where the rows are there, pixels; 1.5 GiB are enough."""
    name, data = HUGE[kind]
    (tmp_path / name).write_bytes(data)

    def look():
        piece, = sources.of_images({'a': str(tmp_path / name)}, Preset(1024, 200))[:1]
        next(sources.read(piece))
    limited(look, 'interlaced' in kind)


def limited(look, may_pass=False, room=3 << 29):
    """Call ``look`` in a child that may take ``room`` bytes more than now: it ends with an MTPError, or well."""
    import resource
    pid = os.fork()
    if not pid:
        code = 9
        try:
            with open('/proc/self/statm') as stream:
                now = int(stream.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + room,) * 2)
            look()
            code = 0
        except MTPError:
            code = 1
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in ((0, 1) if may_pass else (1,))


def test_bytes_behind_the_rows_of_a_png_are_not_unpacked(tmp_path):
    (tmp_path / 'a.png').write_bytes(png(64, 64, zeros(256 << 20)))

    def look():
        with pytest.raises(MTPError, match='more than 64 rows'):
            rows.open_rows(str(tmp_path / 'a.png')).take(0, 64)
        raise MTPError('seen')
    limited(look, room=1 << 27)


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir, lambda path: os.symlink('/dev/zero', path),
                                  lambda path: os.symlink(path, path)])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path, make):
    path = str(tmp_path / 'a.png')
    make(path)
    for look in (read_image, images.size, Raster, rows.open_rows):
        with pytest.raises(MTPError, match='a.png'):
            look(path)


def jpeg(path, side=SIDE, thumbnail=b''):
    """A picture of noise; ``thumbnail``: a small whole JPEG in a segment before it, as cameras put one there."""
    data = cv2.imencode('.jpg', np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))[1].tobytes()
    segment = b'\xff\xe1' + struct.pack('>H', len(thumbnail) + 2) + thumbnail if thumbnail else b''
    data = data[:2] + segment + data[2:]
    with open(path, 'wb') as stream:
        stream.write(data)
    return data


@pytest.mark.parametrize('thumbnail', [False, True])
def test_a_jpeg_that_is_cut_short_is_no_image_with_gray_in_it(tmp_path, thumbnail):
    small = jpeg(str(tmp_path / 'small.jpg'), 16) if thumbnail else b''
    path = str(tmp_path / 'images' / 'a.jpg')
    os.makedirs(os.path.dirname(path))
    whole = jpeg(path, thumbnail=small)
    expected = read_image(path)
    for keep in (len(whole) // 2, len(whole) - 2):
        with open(path, 'wb') as stream:
            stream.write(whole[:keep])
        for read in (read_image, lambda name: rows.open_rows(name).take(0, 9), Raster,
                     lambda name: cut.main(['--preset', 'demo_ss', '--images', os.path.dirname(name), '--jobs', '1',
                                            '--out', str(tmp_path / 'out')])):
            with pytest.raises(MTPError, match='a.jpg is cut short'):
                read(path)
    with open(path, 'wb') as stream:
        stream.write(whole + b'\0' * 100)  # cameras and servers put things behind the end
    assert (read_image(path) == expected).all()


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir, lambda path: os.symlink('/dev/zero', path)])
def test_a_label_that_is_no_plain_file_is_not_called_missing(tmp_path, make):
    os.makedirs(str(tmp_path / 'images'))
    os.makedirs(str(tmp_path / 'labels'))
    save(str(tmp_path / 'images' / 'a.png'), noise(3))
    make(str(tmp_path / 'labels' / 'a.txt'))
    with pytest.raises(MTPError, match='cannot read the label file .*a.txt: it is'):
        cut.main(['--preset', 'demo_ss', '--images', str(tmp_path / 'images'), '--labels', str(tmp_path / 'labels'),
                  '--out', str(tmp_path / 'out'), '--jobs', '1'])


def test_a_name_that_is_no_text_is_named_as_the_reason(tmp_path):
    path = save(str(tmp_path / 'a.tif'), noise(3))
    odd = str(tmp_path / '\udcff.tif')
    os.rename(path, odd)
    with pytest.raises(MTPError, match='its name is no UTF-8') as refused:
        read_image(odd)
    assert 'mv' in refused.value.hint
