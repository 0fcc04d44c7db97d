"""What a converter hands on to training is a whole image, under a name that leads there."""
import os

import numpy as np
import pytest

from mtp.data import images, outputs
from mtp.data.samples import writing
from mtp.errors import MTPError


@pytest.mark.parametrize('spoil', [
    os.mkfifo, os.mkdir, lambda path: os.symlink(path, path), lambda path: os.symlink('/dev/zero', path),
    lambda path: open(path, 'w').close(), lambda path: open(path, 'wb').write(b'\xff\xd8\xff' + bytes(99))])
def test_what_cannot_be_trained_on_is_not_handed_on(tmp_path, spoil):
    """A pipe hung the command, an empty file the training."""
    spoil(str(tmp_path / 'a.jpg'))
    with pytest.raises(MTPError, match='a.jpg'):
        outputs.link(str(tmp_path / 'a.jpg'), str(tmp_path / 'out' / 'a.jpg'))
    assert not os.path.lexists(str(tmp_path / 'out' / 'a.jpg'))


def test_a_relative_link_is_followed(tmp_path):
    (tmp_path / 'store').mkdir()
    writing.save_image(str(tmp_path / 'store' / 'a.png'), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / 'in').mkdir()
    os.symlink('../store/a.png', str(tmp_path / 'in' / 'a.png'))
    (tmp_path / 'deep' / 'out').mkdir(parents=True)
    outputs.link(str(tmp_path / 'in' / 'a.png'), str(tmp_path / 'deep' / 'out' / 'a.png'))
    assert images.size(str(tmp_path / 'deep' / 'out' / 'a.png')) == (8, 8)
    assert not os.path.islink(str(tmp_path / 'deep' / 'out' / 'a.png'))
