"""The golden files' helpers are importable in this folder, and everything here needs OpenMMLab 2."""
import os
import sys

import pytest

pytest.importorskip('mmcv.ops', reason='pretraining runs in the environment mmrotate1')
sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir, 'golden'))
