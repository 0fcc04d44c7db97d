"""What every script that prepares data promises, tried on each: dry run, report, nothing half-made, nothing done twice,
the same whatever the number of processes, and going on where damage stopped it."""
import importlib
import json
import os
import re
import zipfile

import cv2
import numpy as np
import pytest

from mtp import ownership
from mtp.data import converting, dior2coco, fair1m, join, loveda, patches, samrs2coco, spacenet, splits, xview2coco
from mtp.data.describe import ROOT
from mtp.data.samples import __main__ as samples
from mtp.errors import MTPError
from mtp.submit import fair1m_texts
from mtp.tiles import cut, journal

# program, sample set, words, an input to damage (below the data root, of the sample in natural order)
PROGRAMS = {
    'convert_pkl_json': (samrs2coco.main, 'samrs', ['--dataset', 'sota'],
                         'samrs/dotav2_1024_rbb/trainval/rhbox_segs_init/ins'),
    'dior_h_2_coco': (dior2coco.main, 'samrs', [], 'samrs/dior/Annotations/Horizontal Bounding Boxes'),
    'prepare_xview_dataset': (xview2coco.main, 'xview', ['--export-yolo'], 'xview/train_images'),
    'process_spacenet': (spacenet.main, 'spacenet', [], 'spacenet/3band'),
    'change_loveda_label': (loveda.main, 'predictions', ['--pred', '{root}/predictions', '--expect-count', '0'],
                            'predictions'),
    'dota_submit_txt_to_fair1m_xml': (fair1m_texts.main, 'results', ['--txt_dir', '{root}/txt', '--images',
                                                                     '{root}/images'], 'txt'),
    'fair1m': (fair1m.main, 'fair1m', [], 'fair1m/validation/labelXml'),
    'join': (join.main, 'dotav1', ['dotav1'], None),
    'loveda': (loveda.flatten, 'loveda', [], 'loveda_dataset/Val/Urban/masks_png'),
    'patches': (patches.main, 'levir', ['levir'], 'levir/test/B'),
    'splits': (splits.main, 'eurosat', ['eurosat'], None),
    'cut': (cut.main, 'dotav1', ['--preset', 'demo_ms', '--images', '{root}/dotav1/train/images', '--labels',
                                 '{root}/dotav1/train/labelTxt', '--out', '{root}/cut'], 'dotav1/train/labelTxt'),
}


@pytest.fixture
def begin(data_root, sample, monkeypatch):
    """Puts the sample of a program below the data root; its words."""
    monkeypatch.setattr(converting, 'FEW', 2)

    def put(name):
        kind, words = PROGRAMS[name][1:3]
        if kind == 'predictions':
            (data_root / kind).mkdir()
            for number in (4191, 4192, 10000):
                values = np.full((1024, 1024), number % 7 + 1, np.uint8)
                values[0] = 7
                cv2.imwrite(str(data_root / kind / f'{number}.png'), values)
        elif kind == 'results':
            for folder in ('images', 'txt'):
                (data_root / folder).mkdir()
            cv2.imwrite(str(data_root / 'images/7.tif'), np.zeros((30, 40, 3), np.uint8))
            (data_root / 'txt/Task1_Small-Car.txt').write_text('7 0.5 1 2 30 2 30 29 1 29\n')
        elif kind in ('loveda', 'levir', 'eurosat'):
            samples.main([kind, '--out', str(data_root), '--images', '2'])
        else:
            sample(kind)
        return [word.format(root=data_root) for word in words]

    return put


def files(root):
    """Content of every file below ``root``, by path; of a zip its members."""
    found = {}
    for folder, _, names in os.walk(str(root)):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, 'rb') as stream:
                found[os.path.relpath(path, str(root))] = stream.read()
            if name.endswith('.zip'):
                with zipfile.ZipFile(path) as archive:
                    found[os.path.relpath(path, str(root))] = {
                        member: archive.read(member) for member in archive.namelist()}
    return found


def takes_jobs(program, capsys):
    with pytest.raises(SystemExit):
        program(['--help'])
    return '--jobs' in capsys.readouterr().out


@pytest.mark.parametrize('name', sorted(PROGRAMS))
def test_promises(name, begin, data_root, tmp_path_factory, capsys):
    program, words = PROGRAMS[name][0], begin(name)
    several = ['--jobs', '2'] if takes_jobs(program, capsys) else []
    report = tmp_path_factory.mktemp('report') / 'report.json'
    before = files(data_root)
    assert program(words + ['--dry-run', '--report', str(report)]) == 0
    assert files(data_root) == before and json.loads(report.read_text())['problems'] == []
    planned = json.loads(report.read_text())['counts']
    assert program(words + ['--report', str(report)]) == 0
    after = files(data_root)
    assert json.loads(report.read_text())['counts'] == planned
    assert len(after) > len(before) and all(after[path] == before[path] for path in before)
    hidden = [path for path in after if '/.' in path and not path.endswith(ownership.NAME)]
    assert not hidden and not [path for path in after if path.endswith('.tmp')]
    times = {path: os.stat(str(data_root / path)).st_mtime_ns for path in after}
    try:
        assert program(words) == 0
    except MTPError as error:
        assert error.code == 2 and 'exists already' in str(error) and '--overwrite' in error.hint
    assert {path: os.stat(str(data_root / path)).st_mtime_ns for path in files(data_root)} == times
    assert program(words + ['--overwrite'] + several) == 0
    again = files(data_root)
    if name == 'cut':  # its journal has the order in which images were finished
        again['cut/' + journal.NAME], after['cut/' + journal.NAME] = (
            sorted(found['cut/' + journal.NAME].splitlines()) for found in (again, after))
    assert again == after


@pytest.mark.parametrize('name', sorted(name for name in PROGRAMS if PROGRAMS[name][3]))
def test_damage_stops_it_and_mended_it_goes_on(name, begin, data_root, tmp_path_factory):
    program, words = PROGRAMS[name][0], begin(name)
    folder = data_root / PROGRAMS[name][3]
    victim = folder / converting.listing(str(folder), '')[-1]
    before = files(data_root)
    kept = tmp_path_factory.mktemp('kept') / 'original'
    os.link(str(victim), str(kept))
    victim.unlink()
    victim.write_bytes(kept.read_bytes()[:10] + b'\xff 1 2 3')
    with pytest.raises(MTPError) as caught:
        program(words)
    assert caught.value.code in (1, 2) and victim.name in str(caught.value)
    made = {path: data for path, data in files(data_root).items() if path not in before}
    victim.unlink()
    os.link(str(kept), str(victim))
    assert program(words) == 0
    after = files(data_root)
    for path, data in made.items():  # what the stopped run left is whole, or says that more is to come
        assert after[path] == data or path.endswith((ownership.NAME, journal.NAME))


def test_every_published_script_takes_the_common_options(capsys):
    folder = os.path.join(ROOT, 'scripts')
    for script in sorted(os.listdir(folder)):
        if not script.endswith('.py'):
            continue
        with open(os.path.join(folder, script), encoding='utf-8') as stream:
            module = re.search(r'from (\S+) import main', stream.read()).group(1)
        with pytest.raises(SystemExit) as caught:
            importlib.import_module(module).main(['--help'])
        said = capsys.readouterr().out
        assert caught.value.code == 0
        assert all(word in said for word in ('--dry-run', '--overwrite', '--report')), script
