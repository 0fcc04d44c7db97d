"""The ledger is whole, says the truth about what is unknown, and everything generated from it is up to date."""
import json
import re

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger

HEX64 = re.compile(r'[0-9a-f]{64}')
PINS = [(name, package, pin) for name in ledger.names()
        for package, pin in ledger.environment(name)['packages'].items()]


def test_the_two_environments_and_variants_are_there():
    assert ledger.names() == ['mmrotate1', 'mmrotate03']
    assert ledger.variants() == ['cpu', 'cu113']


@pytest.mark.parametrize('name', ['mmrotate1', 'mmrotate03'])
def test_torchvision_is_the_partner_of_torch_and_not_the_documented_0_10_0(name):
    pin = ledger.environment(name)['packages']['torchvision']
    assert (pin['documented'], pin['shipped']) == ('0.10.0', '0.11.1')
    assert 'torch 1.9.0' in pin['reason']
    assert ledger.shipped(name)['torch'] == '1.10.0'


@pytest.mark.parametrize('name,package,pin', PINS)
def test_every_pin_is_complete_and_a_difference_has_a_reason(name, package, pin):
    assert set(pin) == {'documented', 'evidenced', 'shipped', 'reason'}
    differs = any(pin[key] not in (None, pin['shipped']) for key in ('documented', 'evidenced'))
    assert not differs or pin['reason'], '{} {} differs without a reason'.format(name, package)


def test_evidence_is_what_the_published_dota_logs_print():
    entry = ledger.environment('mmrotate1')
    evidence = {package: pin['evidenced'] for package, pin in entry['packages'].items() if pin['evidenced']}
    assert evidence == {'torch': '1.13.0+cu117', 'torchvision': '0.14.0+cu117', 'opencv-python': '4.8.0',
                        'mmengine': '0.8.4'}
    assert entry['python']['evidenced'] == '3.8.17'


@pytest.mark.parametrize('name', ['mmrotate1', 'mmrotate03'])
def test_the_compiled_package_is_pinned_once(name):
    entry = ledger.environment(name)
    ops = entry['ops']
    assert entry['packages'][ops['package']]['shipped'] == ops['version']
    assert ops['sdist'] == '{package}-{version}.tar.gz'.format(**ops)
    assert HEX64.fullmatch(ops['sha256'])


def test_a_hash_is_seen_or_unresolved_with_its_command():
    def visit(value, where):
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ('sha256', 'digest', 'commit'):
                    seen = re.fullmatch(r'(sha256:)?[0-9a-f]{40,64}', item)
                    assert seen or (item == ledger.UNRESOLVED and value['resolve']), where + '.' + key
                visit(item, where + '.' + key)

    visit(ledger.load(), '')


def test_unresolved_lists_each_place_with_a_command():
    places = dict(ledger.unresolved())
    assert all(places.values())
    text = json.dumps(ledger.load())
    assert len(places) == text.count('"{}"'.format(ledger.UNRESOLVED))


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(MTPError, match="'mmrotate2'; known: mmrotate1, mmrotate03"):
        ledger.environment('mmrotate2')
    with pytest.raises(MTPError, match="'cu999'; known: cpu, cu113"):
        ledger.variant('cu999')


def test_a_ledger_of_another_schema_or_damaged_is_refused(tmp_path):
    path = tmp_path / 'environments.json'
    with pytest.raises(MTPError, match='cannot read the ledger'):
        ledger.load(str(path))
    path.write_text('{"schema": 2}')
    with pytest.raises(MTPError, match='schema 2'):
        ledger.load(str(path))
    path.write_text('{"schema": 1')
    with pytest.raises(MTPError, match='cannot read the ledger'):
        ledger.load(str(path))


def test_digest_follows_content_and_not_layout(tmp_path, monkeypatch):
    before = ledger.digest(), ledger.digest('mmrotate1'), ledger.digest('mmrotate03')
    assert all(HEX64.fullmatch(value) for value in before) and len(set(before)) == 3
    changed = ledger.load()
    path = tmp_path / 'environments.json'
    path.write_text(json.dumps(changed, indent=7))
    read = ledger.load
    monkeypatch.setattr(ledger, 'load', lambda: read(str(path)))
    assert ledger.digest() == before[0]
    changed['environments']['mmrotate03']['packages']['timm']['shipped'] = '0.9.3'
    path.write_text(json.dumps(changed))
    assert ledger.digest() != before[0]
    assert ledger.digest('mmrotate1') == before[1]
    assert ledger.digest('mmrotate03') != before[2]


def test_the_variant_gives_torch_its_local_version():
    assert ledger.shipped('mmrotate1', 'cu113')['torch'] == '1.10.0+cu113'
    assert ledger.shipped('mmrotate1', 'cu113')['torchvision'] == '0.11.1+cu113'
    assert ledger.shipped('mmrotate1', 'cu113')['mmcv'] == ledger.shipped('mmrotate1')['mmcv'] == '2.0.0'


def test_ops_are_compiled_for_a_stated_list_of_cards_and_never_need_one():
    flags = ledger.variant('cu113')['ops_flags']
    assert flags['FORCE_CUDA'] == '1'
    assert flags['TORCH_CUDA_ARCH_LIST'] == '3.7;5.0;6.0;6.1;7.0;7.5;8.0;8.6'
    assert ledger.variant('cpu')['ops_flags']['FORCE_CUDA'] == '0'


def test_an_image_is_named_with_its_digest_once_that_is_known():
    assert ledger.image_reference({'name': 'a:1', 'digest': 'unresolved'}) == 'a:1'
    assert ledger.image_reference({'name': 'a:1', 'digest': 'sha256:00'}) == 'a:1@sha256:00'


def test_build_arguments_carry_environment_variant_and_ledger():
    args = ledger.build_args('mmrotate03', 'cu113', revision='abc')
    assert (args['ENV'], args['VARIANT'], args['REVISION']) == ('mmrotate03', 'cu113', 'abc')
    assert args['LEDGER_DIGEST'] == ledger.digest('mmrotate03')
    assert args['PYTHON_IMAGE'].startswith('python:3.8.0-')
    assert 'devel' in args['BUILD_IMAGE'] and 'devel' not in args['BASE_IMAGE']


def test_the_table_holds_every_pin_in_the_column_of_its_environment():
    rows = [[cell.strip() for cell in line.strip('| ').split(' | ')] for line in ledger.readme_table().splitlines()]
    cells = {(row[0], env): cell for row in rows[2:] for env, cell in zip(ledger.names(), row[1:])}
    for name, package, pin in PINS:
        assert cells[package, name].split(' ')[0] == pin['shipped']


def test_the_table_says_what_was_published_where_it_differs():
    assert '| torchvision | 0.11.1 (published: 0.10.0) | 0.11.1 (published: 0.10.0) |' in ledger.readme_table()
    assert '| timm | 0.9.5 | 0.9.2 |' in ledger.readme_table()
