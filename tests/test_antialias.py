"""A picture that a hook draws reaches TensorBoard with the pinned Pillow, whatever torch's writer calls its filter."""
import io

import numpy as np
import pytest

pytest.importorskip('tensorboard')
Image = pytest.importorskip('PIL.Image')

from mtp import antialias  # noqa: E402


def test_a_picture_reaches_tensorboard_unchanged(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter
    antialias.give()
    picture = np.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype(np.uint8)
    with SummaryWriter(str(tmp_path)) as board:
        board.add_image('mask', picture, 3, dataformats='HWC')
    events = EventAccumulator(str(tmp_path)).Reload().Images('mask')
    assert [event.step for event in events] == [3]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(events[0].encoded_image_string))), picture)


def test_a_filter_that_is_there_stays(monkeypatch):
    monkeypatch.setattr(Image, 'ANTIALIAS', 'known', raising=False)
    antialias.give()
    assert Image.ANTIALIAS == 'known'
