"""What a passport says of the environment: that of the modules that run."""
import sys
import types

from mtp.report import identity
from mtp.report.page import Page


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


def test_numbers_that_are_not_for_the_record_are_said_to_be_so_in_a_passport_and_on_every_page(monkeypatch, tmp_path):
    for name in ('mmrotate1', 'mmrotate03'):
        monkeypatch.setenv('MTP_ENV', name)
        assert 'standing' not in identity.environment() and identity.standing() == ''
    monkeypatch.setenv('MTP_ENV', 'mmrotate12')
    assert identity.environment()['standing'].startswith('not for the record: mmrotate12 ')
    Page('x').write(tmp_path / 'index.html')
    assert 'not for the record: mmrotate12 ' in (tmp_path / 'index.html').read_text()
