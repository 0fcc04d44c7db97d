"""What a passport says of the environment: that of the modules that run."""
import sys
import types

from mtp.report import identity


def test_a_toolbox_from_elsewhere_is_what_ran(monkeypatch, tmp_path):
    foreign = types.ModuleType('mmdet')
    foreign.__file__, foreign.__version__ = str(tmp_path / 'mmdet' / '__init__.py'), '9.9'
    monkeypatch.setitem(sys.modules, 'mmdet', foreign)
    versions, found = identity.loaded({'mmdet': '3.1.0', 'torch': '1.10.0'})
    assert versions == {'mmdet': '9.9 from ' + foreign.__file__,
                        'torch': '1.10.0'} and found == {'mmdet': foreign.__file__}
    assert identity.environment()['foreign'] == found
    monkeypatch.delitem(sys.modules, 'mmdet')
    assert identity.loaded({'mmdet': '3.1.0'}) == ({'mmdet': '3.1.0'}, {}) and 'foreign' not in identity.environment()
