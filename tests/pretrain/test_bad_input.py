"""Each kind of bad input ends in an error that names it, or in a skip that is counted; never in a hang."""
import json
import os
import shutil

import cv2
import pytest
import torch

from mtp.data import catalogue
from mtp.errors import FAILED, OK, USAGE, MTPError
from mtp.pretrain import recipe
from mtp.pretrain.data import annotations, loader

WORDS = ['--backbone', 'vit_t_rvsa', '--tasks', 'ss', 'rd', '--datasets', 'sota', '--batch_size', '1', '--image_size',
         '64',
         '--init_backbone', 'none', '--end_iter', '5', '--val_interval', '0']


@pytest.fixture
def home(samrs_root, tmp_path, monkeypatch):
    """A copy of SOTA's sample set that a test may spoil; MTP_DATA_ROOT names it."""
    shutil.copytree(str(samrs_root / 'samrs' / 'dotav2_1024_rbb'), str(tmp_path / 'samrs' / 'dotav2_1024_rbb'))
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    return tmp_path


def every_step(found, count=8):
    one = loader.StepDataset({'sota': found}, {'sota': 1}, 64, recipe.get('paper'))
    return [one[step] for step in range(count)]


def error_of(found):
    errors = [item for item in every_step(found) if isinstance(item, MTPError)]
    assert errors and len({str(item) for item in errors}) == 1
    return str(errors[0])


@pytest.mark.parametrize('what', ['image', 'seg', 'text'])
def test_a_missing_file_behind_an_annotation(home, what):
    found = annotations.read('sota')
    path = {'image': found.image(1), 'seg': found.seg(1), 'text': found.files[2]}[what]
    os.unlink(path)
    with pytest.raises(MTPError, match='1 of 5 files .* missing in .*, the first is ' + os.path.basename(path)):
        annotations.read('sota')


@pytest.mark.parametrize('what', ['image', 'seg'])
@pytest.mark.parametrize('keep', [0, 200])
def test_a_broken_png(home, what, keep):
    found = annotations.read('sota')
    path = getattr(found, what)(2)
    with open(path, 'r+b') as stream:
        stream.truncate(keep)
    assert 'cannot decode' in error_of(found) and os.path.basename(path) in error_of(found)


@pytest.mark.parametrize('what', ['image', 'seg'])
def test_an_image_or_label_of_another_size(home, what):
    found = annotations.read('sota')
    path = getattr(found, what)(0)
    picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    cv2.imwrite(path, picture[:-3])
    assert os.path.basename(path) in error_of(found) and '509' in error_of(found) and '512' in error_of(found)


def test_a_label_of_no_class(home):
    found = annotations.read('sota')
    label = cv2.imread(found.seg(3), cv2.IMREAD_UNCHANGED)
    label[7, 9] = 18
    cv2.imwrite(found.seg(3), label)
    assert 'label 18 at row 7, column 9' in error_of(found)


def test_a_class_unknown_to_the_set(home):
    path = annotations.read('sota').files[1]
    with open(path, 'a') as stream:
        stream.write('1 1 20 1 20 20 1 20 zebra 0\n')
    with pytest.raises(MTPError, match='zebra'):
        annotations.read('sota')


def test_an_image_without_objects_is_trained_on(home):
    path = catalogue.locate(catalogue.get('sota').files['coco'], split='train')
    with open(path) as stream:
        content = json.load(stream)
    content['annotations'] = [item for item in content['annotations'] if item['image_id'] != content['images'][0]['id']]
    with open(path, 'w') as stream:
        json.dump(content, stream)
    open(annotations.read('sota').files[1], 'w').close()
    found = annotations.read('sota')
    assert found.first[1] == 0 == found.rfirst[1]
    counts = [len(item['sota'].truths[0].hboxes) + len(item['sota'].truths[0].rboxes) for item in every_step(found, 5)]
    assert 0 in counts and max(counts) > 0


def test_damaged_samples_are_an_error_or_a_counted_skip(home, zygote, tmp_path):
    found = annotations.read('sota')
    with open(found.image(2), 'wb') as stream:
        stream.write(b'broken')

    def go(name, *words):
        return zygote.start(tmp_path / name, *WORDS, '--save_path', str(tmp_path / 'run'), *words,
                            MTP_DATA_ROOT=str(home)).wait()
    code, said = go('first.txt')
    assert code == USAGE and 'cannot decode the image' in said and 'Traceback' not in said
    code, said = go('second.txt', '--on-bad-sample', 'skip', '--workers', '1')
    assert code == OK and said.count('skipped: cannot decode the image') == 1
    with open(str(tmp_path / 'run' / 'log.jsonl')) as stream:
        assert sum(json.loads(line)['skipped'] for line in stream) == 1
    assert '1 damaged sample' in said and '1 damaged sample' in (tmp_path / 'run' / 'index.html').read_text()


def test_a_checkpoint_of_another_backbone(home, zygote, tmp_path):
    state = {'encoder.pos_embed': torch.zeros(1, 4, 192), 'encoder.patch_embed.proj.weight': torch.zeros(192, 3, 16,
                                                                                                         16)}
    torch.save(dict(state_dict=state, iteration=4, epoch=0), str(tmp_path / 'other.pth'))
    code, said = zygote.start(tmp_path / 'said.txt', *WORDS, '--save_path', str(tmp_path / 'run'), '--ft', 'True',
                              '--resume',
                              str(tmp_path / 'other.pth'), MTP_DATA_ROOT=str(home)).wait()
    assert code == USAGE and 'does not fit this model' in said and 'Traceback' not in said


def test_a_loss_that_is_no_number_names_the_images(home, zygote, tmp_path):
    code, said = zygote.start(tmp_path / 'said.txt', *WORDS, '--save_path', str(tmp_path / 'run'),
                              call='no_number:main',
                              MTP_DATA_ROOT=str(home)).wait()
    assert code == FAILED and 'step 2: not a finite number' in said and 'P000' in said
    assert not [name for name in os.listdir(str(tmp_path / 'run')) if name.endswith('.pth')]
