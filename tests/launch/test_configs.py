import os

import pytest

from mtp.errors import MTPError
from mtp.launch import configs, verbs
from tests.launch import fakes

DIORR = 'configs/mmrotate1/diorr/oriented_rcnn_rvsa_l_800_mae_mtp_diorr.py'
DOTA = 'oriented_rcnn_rvsa_l_1024_mae_mtp_dota10'
FAIR03 = 'configs/mmrotate03/fair1m/oriented_rcnn_rvsa_l_800_mae_mtp_fair1m20_branches.py'
EUROSAT = 'configs/mmrotate1/eurosat/vit-rvsa-l-224-mae-mtp_eurosat.py'

PUBLISHED = [
    ('configs/mtp/vit-rvsa-l-224-mae-mtp_eurosat.py', EUROSAT),
    ('configs/mtp/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py',
     'configs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py'),
    ('configs/mtp/diorr/oriented_rcnn_rvsa_l_800_mae_mtp_diorr.py', DIORR),
    ('configs/mtp/oriented_rcnn_rvsa_l_800_mae_mtp_diorr.py', DIORR),
    ('configs/mtp/dior-r/oriented_rcnn_rvsa_l_800_mae_mtp_diorr.py', DIORR),
    ('configs/mtp/dotav2/oriented_rcnn_rvsa_l_1024_mae_mtp_dota20.py',
     'configs/mmrotate1/dotav2/oriented_rcnn_rvsa_l_1024_mae_mtp_dota20.py'),
    ('configs/mtp/loveda/rvsa-l-upernet-512-mae-mtp-loveda.py',
     'configs/mmrotate1/loveda/rvsa-l-upernet-512-mae-mtp-loveda.py'),
]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return fakes.checkout(tmp_path_factory.mktemp('checkout'))


@pytest.mark.parametrize('name, path', PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_published_names(name, path, root):
    assert configs.find(name, root=root) == ('mmrotate1', path)


def test_the_guides_fair1m_test_has_another_folder_and_leaf(root):
    name = 'configs/mtp/fair1m/oriented_rcnn_rvsa_l_800_mae_mtp_fair1m20.py'
    assert configs.find(name, env='mmrotate03', root=root) == ('mmrotate03', FAIR03)
    assert configs.find(name.replace('fair1m/', 'fair1m20/'), env='mmrotate03', root=root) == ('mmrotate03', FAIR03)


@pytest.mark.parametrize('name', [DOTA, DOTA + '.py', 'dotav1/' + DOTA, 'configs/mtp/dotav1/' + DOTA + '.py',
                                  './configs/mtp/dotav1/' + DOTA + '.py'])
def test_a_leaf_of_both_goes_by_what_it_is_for(name, root):
    def env(**words):
        found, path = configs.find(name, root=root, **words)
        assert path == f'configs/{found}/dotav1/{DOTA}.py'
        return found

    assert env(purpose='train') == 'mmrotate1'
    assert env(purpose='test') == 'mmrotate03'
    assert env(purpose='train', prefer='mmrotate03') == 'mmrotate03'
    assert env(purpose='test', env='mmrotate1') == 'mmrotate1'


def test_a_full_path_says_its_environment(root):
    path = 'configs/mmrotate1/dotav1/' + DOTA + '.py'
    assert configs.find(path, purpose='test', root=root) == ('mmrotate1', path)
    assert configs.find(os.path.join(root, path), purpose='test', root=root) == ('mmrotate1', path)


@pytest.mark.parametrize('name', [DIORR, 'configs/mtp/diorr/oriented_rcnn_rvsa_l_800_mae_mtp_diorr.py'])
def test_the_other_environment_is_refused_with_both_names(name, root):
    with pytest.raises(MTPError, match='belongs to mmrotate1, but mmrotate03 is asked for'):
        configs.find(name, env='mmrotate03', root=root)


def test_an_unknown_environment_is_refused(root):
    with pytest.raises(MTPError, match='mmrotate2.*mmrotate1, mmrotate03'):
        configs.find(DIORR, env='mmrotate2', root=root)


@pytest.mark.parametrize('name', ['oriented_rcnn_rvsa_l_800_mae_mtp_dior', 'configs/mtp/dior/' + DOTA + '.py',
                                  'configs/mmrotate03/diorr/oriented_rcnn_rvsa_l_800_mae_mtp_diorr.py', ''])
def test_an_unknown_config_names_near_ones(name, root):
    with pytest.raises(MTPError) as caught:
        configs.find(name, root=root)
    assert repr(name) in str(caught.value)
    assert 'oriented_rcnn' in str(caught.value) or not name


def test_a_file_of_the_users_own_needs_an_environment(root):
    fakes.touch(os.path.join(root, 'mine', 'idea.py'))
    assert configs.find('mine/idea.py', env='mmrotate1', root=root) == ('mmrotate1', 'mine/idea.py')
    with pytest.raises(MTPError, match='^mine/idea.py lies outside(.|\n)*ENV=mmrotate1 or ENV=mmrotate03'):
        configs.find('mine/idea.py', root=root)


def test_the_main_run_of_a_dataset(root):
    assert configs.of_dataset('eurosat', root=root) == ('mmrotate1', EUROSAT)
    assert configs.of_dataset('fair1m', purpose='test', root=root) == ('mmrotate03', FAIR03)
    assert configs.of_dataset('fair1m', purpose='train', root=root)[0] == 'mmrotate1'
    assert configs.of_dataset('dotav1', purpose='test', env='mmrotate1', root=root)[0] == 'mmrotate1'
    assert configs.of_dataset('xview', root=root) is None
    assert configs.of_dataset('dotav2', env='mmrotate03', root=root) is None


def test_the_only_config_of_a_dataset_is_meant_and_of_several_one_has_to_be_named(root):
    fakes.touch(os.path.join(root, 'configs', 'mmrotate1', 'xview', 'retinanet_rvsa_b_416.py'))
    only = 'configs/mmrotate1/xview/retinanet_rvsa_b_416.py'
    assert configs.of_dataset('xview', root=root) == ('mmrotate1', only)
    fakes.touch(os.path.join(root, 'configs', 'mmrotate1', 'xview', 'retinanet_rvsa_t_416.py'))
    assert configs.of_dataset('xview', root=root) is None
    for verb, word in (('finetune-xview', 'finetune'), ('test-xview', 'test')):
        with pytest.raises(MTPError, match=f'retinanet_rvsa_b_416(.|\n)*next: make {word} CONFIG={only}'):
            verbs.plan(verb, fakes.ask(), fakes.machine(root))


def test_no_config_folder_at_all(tmp_path):
    assert configs.leaves(str(tmp_path)) == []
    with pytest.raises(MTPError, match='no config'):
        configs.find(DIORR, root=str(tmp_path))


def test_leaves_of_this_checkout_are_found_by_published_form():
    known = configs.leaves(configs.ledger.ROOT)
    for leaf in known:
        name = f'configs/mtp/{leaf.dataset}/{leaf.stem}.py'
        assert configs.find(name, env=leaf.env, root=configs.ledger.ROOT) == (leaf.env, configs.leaf_path(leaf))


@pytest.mark.parametrize('base, env', [('configs/_base_/mmrotate1/models/x.py', 'mmrotate1'),
                                       ('../../configs/mmrotate03/dotav1/x.py', 'mmrotate03'), ('./x.py', None)])
def test_a_config_of_one_s_own_belongs_where_its_bases_do(tmp_path, root, base, env):
    path = tmp_path / 'own.py'
    path.write_text(f"_base_ = ['{base}']\n")
    if env:
        assert configs.find(str(path), root=root)[0] == env
    else:
        with pytest.raises(MTPError, match='nothing says in which environment'):
            configs.find(str(path), root=root)
