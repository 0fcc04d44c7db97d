"""Every sample set goes through the real preparation of its data set and passes its check."""
import pytest

from mtp.data import __main__ as data_command
from mtp.data import catalogue, patches, splits, xview2coco
from mtp.data import loveda as loveda_tools
from mtp.data import spacenet as spacenet_tools
from mtp.data.samples import __main__ as command

PREPARATION = {
    'xview': ('xview', xview2coco.main, []), 'spacenetv1': ('spacenet', spacenet_tools.main, []),
    'loveda': ('loveda', loveda_tools.flatten, []), 'whu': ('whu', patches.main, ['whu']),
    'levir': ('levir', patches.main, ['levir']), 'oscd': ('oscd', patches.main, ['oscd']),
    'cdd': ('cdd', patches.main, ['cdd']), 'eurosat': ('eurosat', splits.main, ['eurosat']),
    'resisc45': ('resisc45', splits.main, ['resisc45']),
}


@pytest.mark.parametrize('name', sorted(PREPARATION))
def test_a_sample_can_be_prepared(data_root, name, capsys):
    sample, prepare, arguments = PREPARATION[name]
    images = {'eurosat': 5, 'resisc45': 5, 'loveda': 2, 'spacenet': 3, 'xview': 2}.get(sample, 1)
    command.main([sample, '--out', str(data_root), '--images', str(images)])
    assert prepare(arguments) == 0
    assert data_command.main(['check', name]) == 0
    capsys.readouterr()


def test_every_dataset_has_a_sample():
    """By what its source or prepared folders are called."""
    folders = {entry[2] for entry in command.SETS.values()}
    for name in catalogue.names():
        dataset = catalogue.get(name)
        splits_of = list(dataset.source.values()) or list(dataset.splits.values())
        assert {split.images.split('/')[0] for split in splits_of} & folders, name


def test_the_demo_needs_three_sets_only():
    assert command.GROUPS['demo'] == ('samrs', 'dota', 'fair1m') and set(command.GROUPS['all']) == set(command.SETS)


def test_loveda_truth_becomes_a_submission(data_root, tmp_path):
    command.main(['loveda', '--out', str(data_root)])
    truth = data_root / 'loveda_dataset' / 'truth'
    # the top rows of the sample have no data (0); a prediction never has
    import cv2
    pred = tmp_path / 'pred'
    pred.mkdir()
    for path in truth.iterdir():
        mask = cv2.imread(str(path), -1)
        mask[mask == 0] = 7
        cv2.imwrite(str(pred / path.name), mask)
    arguments = ['--pred', str(pred), '--size', '512', '--expect-count']
    assert loveda_tools.main(arguments + ['0', '--out', str(tmp_path / 'x')]) == 0
    assert loveda_tools.main(arguments + ['2', '--out', str(tmp_path / 'y')]) == 0


def test_every_data_set_has_drawn_samples():
    for name in catalogue.names():
        entry = catalogue.get(name)
        module, function, folder, _ = command.SETS[entry.sample]
        assert entry.sample_images is None or entry.sample_images > 0
        if entry.task != 'pretraining' and entry.source:  # where the publisher's layout is drawn, its folder is there
            assert {split.images.split('/')[0] for split in entry.source.values()} == {folder}
