"""A zip for LoveDA as the project makes it is valid; what the server breaks off at is named."""
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from mtp.data import loveda
from mtp.errors import MTPError
from mtp.submit import __main__ as command
from mtp.submit.validate import validate
from tests.submit.test_validate import rewrite

STEMS = ('4191', '4192', '4193')


@pytest.fixture
def images(tmp_path):
    (tmp_path / 'images').mkdir()
    for stem in STEMS:
        Image.new('RGB', (40, 40)).save(str(tmp_path / 'images' / (stem + '.png')))
    return str(tmp_path / 'images')


@pytest.fixture
def archive(tmp_path):
    """What the published script makes of predictions of 1 to 7."""
    (tmp_path / 'pred').mkdir()
    rng = np.random.default_rng(0)
    for stem in STEMS:
        Image.fromarray(rng.integers(1, 8, (40, 40), dtype=np.uint8)).save(str(tmp_path / 'pred' / (stem + '.png')))
    assert loveda.main(['--pred', str(tmp_path / 'pred'), '--expect-count', '0', '--size', '40']) == 0
    return str(tmp_path / 'pred_0to6.zip')


def png(pixels, kind='PNG', mode=None):
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(stream, kind)
    return stream.getvalue()


def test_what_we_write_is_valid(images, archive, capsys):
    assert validate(archive, 'loveda', images).problems == []
    assert validate(archive[:-4], 'loveda', images).images == 3  # the folder beside which it lies
    assert command.main(['validate', archive, '--dataset', 'loveda', '--images', images]) == 0
    assert '0 problems' in capsys.readouterr().out


@pytest.mark.parametrize('data, message', [
    (png(np.full((40, 40), 7, np.uint8)), 'holds 7'),
    (png(np.full((40, 40), 255, np.uint8)), 'holds 255'),
    (png(np.zeros((40, 40), np.uint8), mode='P'), 'a palette image'),
    (png(np.zeros((40, 40, 3), np.uint8)), 'an RGB image'),
    (png(np.zeros((40, 40), np.int32)), 'not one channel'),
    (png(np.zeros((40, 30), np.uint8)), 'is 30 x 40, the image is 40 x 40'),
    (png(np.zeros((40, 40), np.uint8), 'BMP'), 'is BMP'),
    (png(np.random.default_rng(0).integers(0, 7, (40, 40), dtype=np.uint8))[:300], 'cannot be read'),
], ids=['7', '255', 'palette', 'rgb', '32 bits', 'size', 'bmp', 'cut short'])
def test_predictions(images, archive, data, message):
    rewrite(archive, lambda members: [[name, data if name == '4192.png' else old] for name, old in members])
    (problem,) = validate(archive, 'loveda', images).problems
    assert problem.file == '4192.png' and message in problem.message


def test_members(images, archive):
    rewrite(archive, lambda members: [['x/4191.png', members[0][1]], ['9.png', members[1][1]], ['4192.txt', b''],
                                      members[2]])
    said = ' '.join(map(str, validate(archive, 'loveda', images).problems))
    for words in ('x/4191.png: lies in a folder', '9.png: is not an image', '4192.txt: is not called',
                  '4191.png: is missing', '4192.png: is missing'):
        assert words in said
    with zipfile.ZipFile(archive, 'a') as stream, pytest.warns(UserWarning):
        stream.writestr('4193.png', b'')
    assert '4193.png: is in the zip more than once' in ' '.join(map(str, validate(archive, 'loveda', images).problems))


def test_no_zip(images, tmp_path):
    with pytest.raises(MTPError, match='no file'):
        validate(str(tmp_path / 'images'), 'loveda', images)
