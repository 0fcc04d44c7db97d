import pytest

from mtp.errors import MTPError
from mtp.reproduce import results

DIOR = 'configs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py'


def test_the_entry_of_a_config():
    entry = results.expected('mmrotate1', DIOR)
    assert (entry['metric'], entry['published'], entry['tolerance'], entry['reached']) == ('AP50', 81.7, 0.6, None)
    steps, losses = results.curve(entry)
    assert steps[-1] == 35152 and losses[0] > losses[-1]


def test_an_environment_beside_the_record_is_judged_by_the_runs_whose_configs_it_shares():
    entry = results.expected('mmrotate12', DIOR)
    assert entry == dict(results.expected('mmrotate1', DIOR), name=entry['name'])
    assert entry['name'] == 'mmrotate12/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior'


def test_a_config_of_which_nothing_was_published():
    with pytest.raises(MTPError, match='no number was published'):
        results.expected('mmrotate1', 'configs/mmrotate1/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py')


@pytest.mark.parametrize('share, said', [(0.811, results.REPRODUCED), (0.8231, results.ABOVE), (0.8099, results.BELOW)])
def test_verdicts_are_given_in_percent_and_within_the_tolerance(share, said):
    entry = results.expected('mmrotate1', DIOR)
    value = results.percent(entry, {'coco/bbox_mAP_50': share, 'coco/bbox_mAP': 0.1})
    assert value == pytest.approx(100 * share) and results.verdict(entry, value) == said


def test_accuracy_is_in_percent_already():
    entry = results.expected('mmrotate1', 'configs/mmrotate1/eurosat/vit-rvsa-l-224-mae-mtp_eurosat.py')
    assert results.percent(entry, {'accuracy/top1': 98.7}) == 98.7


def test_a_class_of_which_nothing_was_found_has_the_figure_zero():
    entry = results.expected('mmrotate1', 'configs/mmrotate1/whu/rvsa-l-unet-256-mae-mtp_whu.py')
    assert results.percent(entry, {'changed/Fscore': None}) == 0 and results.percent(entry, {'mIoU': 50.}) is None
    said = [results.nothing_found(entry, figures) for figures in (
        {'changed/Fscore': None}, {'changed/Fscore': 0.}, {'mIoU': 50.}, {}, None)]
    assert said == [True, False, False, False, False]


def test_the_coco_metric_says_nothing_where_nothing_was_found():
    assert results.percent(results.expected('mmrotate1', DIOR), {}) == 0


def test_nothing_to_compare():
    entry = results.expected('mmrotate1', DIOR)
    assert results.percent(entry, None) is None and results.verdict(entry, None) is None
    server = results.expected('mmrotate03', 'configs/mmrotate03/dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10.py')
    assert results.verdict(server, 80.0) is None and results.percent(server, {}) is None
