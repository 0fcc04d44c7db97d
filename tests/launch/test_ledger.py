"""The ledger is whole, says the truth about what is unknown, and everything generated from it is up to date."""
import json
import os
import re
import shutil

import pytest

from mtp.errors import MTPError
from mtp.launch import generated, ledger

HEX64 = re.compile(r'[0-9a-f]{64}')
TIMM = ledger.shipped('mmrotate1')['timm']
PINS = [(name, package, pin) for name in ledger.names()
        for group in ('packages', 'own') for package, pin in ledger.environment(name)[group].items()]


def test_the_two_environments_and_variants_are_there():
    assert ledger.names()[:2] == ['mmrotate1', 'mmrotate03'] == ledger.recorded()
    assert ledger.variants('mmrotate1') == ledger.variants('mmrotate03') == ['cpu', 'cu117', 'cu121', 'cu113']
    assert ledger.variants('mmrotate12') == ['cpu', 'cu130']
    assert ledger.plain('mmrotate1') == 'cpu' and ledger.with_cuda('mmrotate1') == ['cu117', 'cu121', 'cu113']


def test_the_forward_port_is_not_for_the_record_and_shares_what_mmrotate1_runs():
    assert 'not for the record' in ledger.standing('mmrotate12')
    assert ledger.standing('mmrotate1') == ledger.standing('mmrotate03') == ''
    assert [ledger.published(name) for name in ledger.names()] == ['mmrotate1', 'mmrotate03', 'mmrotate1']
    assert ledger.sharing('mmrotate1') == ['mmrotate1', 'mmrotate12'] and ledger.minor('mmrotate12') == '3.11'
    assert not any(ledger.serving(role)[0] == 'mmrotate12' for role in ('pretrain', 'train', 'test', 'tools'))
    architectures = ledger.variant('mmrotate12', 'cu130')['architectures']
    assert architectures[0] == '7.5' and {'9.0', '10.0', '12.0'} < set(architectures)


def test_packages_without_a_wheel_make_an_image_stale(tree):
    before = ledger.inputs('mmrotate12'), ledger.inputs('mmrotate1')
    whole, changed = tree('docker/locks/mmrotate12-sources.txt', 'sha256:', 'sha256:0', env='mmrotate12')
    assert whole == before[0] != changed
    assert tree('docker/locks/mmrotate12-sources.txt', 'sha256:', 'sha256:0')[1] == before[1]


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
    assert not differs or pin['reason'], f'{name} {package} differs without a reason'


def test_evidence_is_what_the_published_dota_logs_print():
    entry = ledger.environment('mmrotate1')
    evidence = {package: pin['evidenced'] for package, pin in entry['packages'].items() if pin['evidenced']}
    assert evidence == {'torch': '1.13.0+cu117', 'torchvision': '0.14.0+cu117', 'opencv-python': '4.8.0',
                        'mmengine': '0.8.4'}
    assert entry['python']['evidenced'] == '3.8.17'


def test_change_detection_is_our_own_and_the_published_version_is_said():
    pin = ledger.environment('mmrotate1')['own']['opencd']
    assert (pin['documented'], pin['shipped']) == ('1.1.0', 'our own parts')
    assert '| opencd | our own parts (published: 1.1.0) | – |' in generated.readme_table()


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
    assert len(places) == text.count(f'"{ledger.UNRESOLVED}"')


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(MTPError, match="'mmrotate2'; known: mmrotate1, mmrotate03"):
        ledger.environment('mmrotate2')
    with pytest.raises(MTPError, match="variant of mmrotate1 'cu999'; known: cpu, cu117"):
        ledger.variant('mmrotate1', 'cu999')


def test_a_ledger_of_another_schema_or_damaged_is_refused(tmp_path):
    path = tmp_path / 'environments.json'
    with pytest.raises(MTPError, match='cannot read the ledger'):
        ledger.load(str(path))
    path.write_text('{"schema": 1}')
    with pytest.raises(MTPError, match='has schema 1, this code reads schema 2'):
        ledger.load(str(path))
    path.write_text('{"schema": 2')
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


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of what goes into images, with a ledger that can be changed: ``change(path, before, after)``."""
    for name in list(ledger.RECIPE) + ['docker/environments.json']:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.join(ledger.ROOT, name), str(tmp_path / name))
    shutil.copytree(os.path.join(ledger.ROOT, 'docker/locks'), str(tmp_path / 'docker/locks'))
    read = ledger.load
    monkeypatch.setattr(ledger, 'load', lambda: read(str(tmp_path / 'docker/environments.json')))

    def change(name, before, after, env='mmrotate1'):
        text = (tmp_path / name).read_text()
        assert before in text
        whole = ledger.inputs(env, 'cpu', str(tmp_path))
        (tmp_path / name).write_text(text.replace(before, after, 1))
        return whole, ledger.inputs(env, 'cpu', str(tmp_path))

    return change


@pytest.mark.parametrize('name, before, after', [
    ('docker/environments.json', 'the last packaging of OpenCV 4.8.0', 'the last packaging of OpenCV 4.8.0.'),
    ('docker/environments.json', 'laptops and CI', 'CI and laptops'),
    ('docker/environments.json', '["3.7", "5.0"', '["5.0"'),  # of another variant
    ('docker/environments.json', '"driver": "450.80.02"', '"driver": "450.81"'),
    ('docker/environments.json', '"roles": ["pretrain", ', '"roles": ['),
    ('docker/environments.json', '"shipped": "0.3.4"', '"shipped": "0.3.5"'),  # of another environment
    ('docker/locks/mmrotate1-cpu.txt', '# ledger: ', '# ledger: 0'),
    ('docker/locks/mmrotate1-cu113.txt', 'sha256:', 'sha256:0'),
    ('docker/locks/mmrotate1-dev.txt', 'sha256:', 'sha256:0'),
    ('docker/locks/mmrotate03-pip.txt', 'sha256:', 'sha256:0'),
])
def test_what_goes_into_no_image_of_this_kind_makes_none_stale(tree, name, before, after):
    whole, changed = tree(name, before, after)
    assert whole == changed


@pytest.mark.parametrize('name, before, after', [
    ('docker/environments.json', f'"shipped": "{TIMM}"', '"shipped": "0"'),
    ('docker/environments.json', '"name": "debian:bookworm-slim",\n    "digest": "unresolved"',
     '"name": "debian:bookworm-slim",\n    "digest": "sha256:0"'),
    ('docker/environments.json', '"CFLAGS": "-g0"', '"CFLAGS": "-g1"'),
    ('docker/environments.json', '"files": "caffe2"', '"files": "caffe3"'),
    ('docker/locks/mmrotate1-cpu.txt', 'sha256:', 'sha256:0'),
    ('docker/locks/mmrotate1-ops.txt', 'sha256:', 'sha256:0'),
    ('docker/locks/mmrotate1-pip.txt', 'sha256:', 'sha256:0'),
    ('docker/Dockerfile', 'FROM', 'from'),
    ('docker/image.sh', 'set -eu', 'set -u'),
    ('docker/build_ops.py', 'import', ' import'),
    ('docker/slim.py', 'import', ' import'),
])
def test_what_goes_into_an_image_makes_it_stale(tree, name, before, after):
    whole, changed = tree(name, before, after)
    assert whole != changed and HEX64.fullmatch(changed)


def test_a_base_that_is_taken_by_its_tag_is_told_with_the_command_for_its_digest():
    found = ledger.unpinned('mmrotate1', 'cpu')
    assert found['debian:bookworm-slim'] == 'docker buildx imagetools inspect debian:bookworm-slim'
    assert set(found) == {'debian:bookworm-slim', 'python:3.8.17-slim-bullseye'}


def test_a_hash_that_was_not_seen_here_says_where_it_is_from():
    for wheel in ledger.variant('mmrotate1', 'cu113')['wheels'].values():
        assert HEX64.fullmatch(wheel['sha256']) and 'download not seen' in wheel['source']


def test_the_variant_gives_torch_its_local_version():
    assert ledger.shipped('mmrotate1', 'cu113')['torch'] == '1.10.0+cu113'
    assert ledger.shipped('mmrotate1', 'cu113')['torchvision'] == '0.11.1+cu113'
    assert ledger.shipped('mmrotate1', 'cu113')['mmcv'] == ledger.shipped('mmrotate1')['mmcv'] == '2.0.0'


def test_ops_are_compiled_for_a_stated_list_of_cards_and_never_need_one():
    flags = ledger.ops_flags('mmrotate1', 'cu113')
    assert flags['FORCE_CUDA'] == '1'
    assert flags['TORCH_CUDA_ARCH_LIST'] == '3.7;5.0;6.0;6.1;7.0;7.5;8.0;8.6'
    assert ledger.ops_flags('mmrotate1', 'cu121')['TORCH_CUDA_ARCH_LIST'] == '5.0;6.0;7.0;7.5;8.0;8.6;9.0'
    assert ledger.ops_flags('mmrotate1', 'cpu') == {'MMCV_WITH_OPS': '1', 'CFLAGS': '-g0', 'FORCE_CUDA': '0'}


def test_a_variant_says_why_its_torch_is_another(monkeypatch):
    assert ledger.shipped('mmrotate03', 'cu117')['torch'] == '1.13.0'
    pin = ledger.pins('mmrotate1', 'cu117')['torch']
    assert (pin['documented'], pin['evidenced']) == ('1.10.0', '1.13.0+cu117') and 'published logs' in pin['reason']
    standing = {kind: ledger.variant('mmrotate1', kind)['standing'] for kind in ledger.variants('mmrotate1')}
    assert standing == {'cpu': 'documented', 'cu117': 'evidenced', 'cu121': 'forward', 'cu113': 'documented'}
    for name in ledger.names():
        for kind in ledger.variants(name):
            entry = ledger.variant(name, kind)
            assert set(entry['packages']) in (set(), {'torch', 'torchvision'}) and all(
                len(changed['reason']) > 10 for changed in entry['packages'].values())


def test_what_a_variant_says_itself_goes_before_what_it_is_like(monkeypatch):
    changed = ledger.load()
    changed['environments']['mmrotate03']['variants']['cu121'] = {'like': 'cu121', 'driver': '530.0'}
    monkeypatch.setattr(ledger, 'load', lambda: changed)
    assert ledger.variant('mmrotate03', 'cu121')['driver'] == '530.0'
    assert ledger.variant('mmrotate1', 'cu121')['driver'] == '525.60.13'
    assert 'like' not in ledger.variant('mmrotate03', 'cu121')


def test_roles_say_who_can_and_who_is_preferred():
    assert ledger.serving('pretrain')[0] == ledger.serving('train')[0] == ledger.serving('tools')[0] == 'mmrotate1'
    assert ledger.serving('test')[:2] == ['mmrotate03', 'mmrotate1'] and 'mmrotate03' not in ledger.serving('pretrain')
    with pytest.raises(MTPError, match="no environment with the role 'paint'"):
        ledger.serving('paint')


def test_an_image_is_named_with_its_digest_once_that_is_known():
    assert ledger.image_reference({'name': 'a:1', 'digest': 'unresolved'}) == 'a:1'
    assert ledger.image_reference({'name': 'a:1', 'digest': 'sha256:00'}) == 'a:1@sha256:00'


def test_build_arguments_carry_environment_variant_and_ledger():
    args = ledger.build_args('mmrotate03', 'cu113', revision='abc')
    assert (args['ENV'], args['VARIANT'], args['REVISION']) == ('mmrotate03', 'cu113', 'abc')
    assert args['LEDGER_DIGEST'] == ledger.inputs('mmrotate03', 'cu113')
    assert args['PYTHON_IMAGE'].startswith('python:3.8.0-')
    assert args['BUILD_IMAGE'] == args['BASE_IMAGE'] == 'debian:bookworm-slim'


def test_a_compiler_for_cards_goes_into_the_build_of_a_variant_for_cards_alone():
    cards, plain = ledger.build_args('mmrotate03', 'cu117'), ledger.build_args('mmrotate03', 'cpu')
    assert cards['NVCC'] == 'nvidia-cuda-toolkit' and cards['NVCC_BESIDE'].startswith('g++-11 libcu++-dev')
    assert cards['NVCC_COMPONENTS'] == 'contrib non-free'
    assert (plain['NVCC'], plain['NVCC_BESIDE'], plain['NVCC_COMPONENTS']) == ('', '', '')
    assert ledger.build_args('mmrotate1', 'cu121')['BUILD_IMAGE'] == 'debian:trixie-slim'


def test_what_the_compiler_for_cards_includes_makes_an_image_stale(tree):
    before = ledger.inputs('mmrotate1', 'cu117'), ledger.inputs('mmrotate1', 'cpu')
    path = os.path.join(ledger.ROOT, 'docker/locks/mmrotate1-nvcc_cu117.txt')
    with open(path) as stream:
        text = stream.read()
    whole, changed = tree('docker/locks/mmrotate1-nvcc_cu117.txt', 'sha256:', 'sha256:0')
    assert whole == changed == before[1] and 'nvidia-cuda-nvcc-cu11==11.8.89' in text


def test_files_whose_download_nobody_saw_are_named():
    assert set(ledger.unseen('mmrotate1', 'cu113').values()) == {'https://download.pytorch.org/whl/cu113'}
    assert ledger.unseen('mmrotate1', 'cu117') == ledger.unseen('mmrotate1', 'cpu') == {}


def test_no_image_needs_another_registry_than_debians_and_pythons():
    names = [entry[each]['name'] for env in ledger.names() for kind in ledger.variants(env)
             for entry in [ledger.variant(env, kind)] for each in ('build_image', 'base_image')]
    names += [ledger.environment(env)['python_image']['name'] for env in ledger.names()]
    assert {name.partition(':')[0] for name in names} == {'debian', 'python'}


def test_the_table_holds_every_pin_in_the_column_of_its_environment():
    rows = [[cell.strip() for cell in line.strip('| ').split(' | ')] for line in generated.readme_table().splitlines()]
    cells = {(row[0], env): cell for row in rows[2:] for env, cell in zip(ledger.names(), row[1:])}
    for name, package, pin in PINS:
        assert cells[package, name].split(' (')[0] == pin['shipped']
        assert pin['documented'] != pin['shipped'] or '(published: ' not in cells[package, name]


def test_the_table_says_what_was_published_where_it_differs():
    assert '| torchvision | 0.11.1 (published: 0.10.0) | 0.11.1 (published: 0.10.0) |' in generated.readme_table()
