"""The golden files' helpers are importable in this folder, and everything here needs OpenMMLab 2."""
import os
import sys

import pytest

pytest.importorskip('mmcv.ops', reason='pretraining runs in the environment mmrotate1')
sys.path[:0] = [os.path.join(os.path.dirname(__file__), os.pardir, 'golden'), os.path.dirname(__file__)]


@pytest.fixture(scope='session')
def samrs_root(tmp_path_factory):
    """Folder with small sample sets of SOTA, SIOR and FAST; what MTP_DATA_ROOT names."""
    import small_data
    folder = tmp_path_factory.mktemp('data')
    small_data.write(folder)
    return folder


@pytest.fixture
def samrs(samrs_root, monkeypatch):
    """As ``samrs_root``, and MTP_DATA_ROOT names it."""
    monkeypatch.setenv('MTP_DATA_ROOT', str(samrs_root))
    return samrs_root


@pytest.fixture(scope='session')
def zygote():
    """Starts processes that have everything imported."""
    from zygote import Zygote
    with Zygote() as one:
        yield one
