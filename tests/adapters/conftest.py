import pytest


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A data, a weights and a work folder with four DOTA tiles, as the environment variables name them."""
    from mtp.data import catalogue
    from tests.adapters import tiny
    home = tmp_path_factory.mktemp('place')
    for split in ('train', 'test'):
        tiny.write_tiles(str(home / 'data' / 'demo_dotav1' / split), catalogue.get('dotav1').classes[:2])
    tiny.write_whole(str(home / 'data' / 'dotav1' / 'test' / 'images'))
    patch = pytest.MonkeyPatch()
    for kind in ('data', 'weights', 'work'):
        patch.setenv(f'MTP_{kind.upper()}_ROOT', str(home / kind))
    yield home
    patch.undo()


@pytest.fixture
def blank(monkeypatch):
    """Networks of full size are built at once: nobody draws their initial values, and memory is not even touched."""
    init = pytest.importorskip('torch').nn.init
    for name in dir(init):
        if name.endswith('_') and not name.startswith('_'):
            monkeypatch.setattr(init, name, lambda tensor, *args, **kwargs: tensor)
