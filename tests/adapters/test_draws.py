"""The data of a run that goes on are advanced once, whatever the toolbox does by itself."""
import types

import pytest

pytest.importorskip('torch')
from mtp.adapters import draws  # noqa: E402


def test_a_loop_that_passes_over_data_itself_does_not():
    def passes(steps):
        raise AssertionError(f'{steps} steps are passed over a second time')
    loop = types.SimpleNamespace(dataloader_iterator=types.SimpleNamespace(skip_iter=passes))
    assert draws.once(loop) is loop
    loop.dataloader_iterator.skip_iter(3)
    assert not vars(draws.once(types.SimpleNamespace()))  # a loop by epochs, or of an older mmengine
