"""Tiles and their annotations equal MMRotate's splitter, and a killed run continues."""
import importlib.util
import json
import os
import random
import unicodedata

import numpy as np
import pytest
from PIL import Image

from mtp.errors import MTPError
from mtp.tiles import annotations, cut, journal
from mtp.tiles.windows import PRESETS, Preset, parts_of, preset, window_positions

cv2 = pytest.importorskip('cv2')

SHARED = os.environ.get('MTP_REAL_DATA') or os.path.join(os.path.dirname(__file__), '../../../shared/data')
SAMPLE = os.path.join(SHARED, 'dota/DOTA_devkit')


def make_image(path, width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    cv2.imwrite(str(path), np.kron(pixels, np.ones((8, 8, 1), np.uint8))[:height, :width])


def make_labels(path, width, height, count, seed=0):
    rng = random.Random(seed)
    rows = ['imagesource:GoogleEarth', 'gsd:null']
    for number in range(count):
        x, y, w, h = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(3, 400), rng.uniform(3, 200)
        corners = [x, y, x + w, y + w / 9, x + w - h / 7, y + w / 9 + h, x - h / 7, y + h]
        digits = 0 if number % 2 else 1
        values = ' '.join('{:.{}f}'.format(value, digits) for value in corners)
        rows.append('{} {} {}'.format(values, rng.choice(['plane', 'large-vehicle']), rng.choice([0, 0, 1])))
    path.write_bytes('\r\n'.join(rows + ['']).encode())


@pytest.fixture
def folder(tmp_path):
    for name in ('images', 'labelTxt'):
        (tmp_path / name).mkdir()
    for seed, (name, width, height) in enumerate([('P1', 1300, 900), ('P2', 300, 700), ('P10', 1024, 1024)]):
        make_image(tmp_path / 'images' / (name + '.png'), width, height, seed)
        make_labels(tmp_path / 'labelTxt' / (name + '.txt'), width, height, 40, seed)
    return tmp_path


def run(folder, preset='dotav1_ms', out='out', labelled=True, jobs=1):
    labels = str(folder / 'labelTxt') if labelled else ''
    return cut.cut_folder(preset, str(folder / 'images'), str(folder / out), labels, jobs)


def contents(out):
    found = {}
    for name in ('images', 'annfiles'):
        for entry in os.listdir(os.path.join(str(out), name)):
            with open(os.path.join(str(out), name, entry), 'rb') as stream:
                found[name + '/' + entry] = stream.read()
    return found


def reference_splitter():
    """The splitter that MMRotate installs beside its package."""
    package = importlib.util.find_spec('mmrotate')
    if not package:
        pytest.skip('mmrotate is not installed')
    path = os.path.join(os.path.dirname(package.origin), '.mim/tools/data/dota/split/img_split.py')
    spec = importlib.util.spec_from_file_location('img_split', path)
    module = importlib.util.module_from_spec(spec)
    limit = Image.MAX_IMAGE_PIXELS
    spec.loader.exec_module(module)
    Image.MAX_IMAGE_PIXELS = limit  # which the splitter switches off for the whole process
    return module


@pytest.mark.parametrize('name', sorted(PRESETS))
def test_windows_equal_the_reference_on_random_sizes(name):
    splitter, how = reference_splitter(), PRESETS[name]
    sizes, overlaps = [int(how.window / rate) for rate in how.rates], [int(how.overlap / rate) for rate in how.rates]
    rng = random.Random(name)
    for _ in range(200):
        width, height = int(10 ** rng.uniform(0, 4)), int(10 ** rng.uniform(0, 4))
        expected = splitter.get_sliding_window(dict(width=width, height=height), sizes, overlaps, how.min_share)
        assert np.array_equal(window_positions(width, height, how), expected)


def reference_tiles(folder, preset):
    """Cut by MMRotate's splitter: contents of its folder of tiles."""
    splitter, how = reference_splitter(), PRESETS[preset]
    for name in ('', 'images', 'annfiles'):
        (folder / 'ref' / name).mkdir()
    sizes, overlaps = [int(how.window / rate) for rate in how.rates], [int(how.overlap / rate) for rate in how.rates]
    for info in splitter.load_dota(str(folder / 'images'), str(folder / 'labelTxt'), 1):
        windows = splitter.get_sliding_window(info, sizes, overlaps, how.min_share)
        found = splitter.get_window_obj(info, windows, how.min_inside)
        splitter.crop_and_save_img(info, windows, found, str(folder / 'images'), False, list(how.padding),
                                   str(folder / 'ref/images'), str(folder / 'ref/annfiles'), '.png')
    return contents(folder / 'ref')


def assert_same_tiles(ours, theirs):
    assert sorted(ours) == sorted(theirs)
    for name in ours:
        if name.endswith('.txt'):
            assert ours[name] == theirs[name], name
        else:
            assert np.array_equal(*(cv2.imdecode(np.frombuffer(data[name], np.uint8), 1) for data in (ours, theirs)))


@pytest.mark.parametrize('preset', ['dotav1_ms', 'fair1m_ss'])
def test_tiles_equal_the_reference(folder, preset):
    theirs = reference_tiles(folder, preset)
    run(folder, preset)
    ours = contents(folder / 'out')
    assert_same_tiles(ours, theirs)
    assert {line.split()[-1] for name in ours if name.endswith('.txt')
            for line in ours[name].decode().splitlines()} == {'0', '1', '2'}


def real_image(folder, path):
    """Put a real image and its labels into ``folder``."""
    source = os.path.join(SHARED, path)
    if not os.path.isfile(source):
        pytest.skip('the real samples are not here')
    for name in ('images', 'labelTxt'):
        (folder / name).mkdir()
    with open(source, 'rb') as stream:
        (folder / 'images' / os.path.basename(path)).write_bytes(stream.read())
    labels = os.path.join(SAMPLE, 'labelTxt', os.path.splitext(os.path.basename(path))[0] + '.txt')
    text = b''
    if os.path.isfile(labels):
        with open(labels, 'rb') as stream:
            text = stream.read()
    (folder / 'labelTxt' / (os.path.splitext(os.path.basename(path))[0] + '.txt')).write_bytes(text)


@pytest.mark.parametrize('path', ['dota/DOTA_devkit/images/P0706.png', 'dota/mmrotate_demo/dota_demo.jpg',
                                  'fair1m/images_unannotated/1008.jpg'])
def test_real_images_are_cut_as_the_reference_cuts_them(tmp_path, path):
    real_image(tmp_path, path)
    theirs = reference_tiles(tmp_path, 'fair1m_ms')
    run(tmp_path, 'fair1m_ms')
    assert_same_tiles(contents(tmp_path / 'out'), theirs)


def test_16_bits_are_cut_where_the_reference_cuts_them_and_stretched_where_it_keeps_a_tenth(tmp_path):
    real_image(tmp_path, 'spacenet/sample_geotiff.tif')
    theirs = reference_tiles(tmp_path, 'dotav1_ss')
    run(tmp_path, 'dotav1_ss')
    ours = contents(tmp_path / 'out')
    assert sorted(ours) == sorted(theirs)
    name = 'images/sample_geotiff__1024__0___0.png'
    tile, dark = (cv2.imdecode(np.frombuffer(data[name], np.uint8), 1)[:900, :900] for data in (ours, theirs))
    assert dark.max() == 25  # OpenCV keeps the upper byte of numbers up to 6615
    raw = cv2.imread(str(tmp_path / 'images/sample_geotiff.tif'), cv2.IMREAD_UNCHANGED).astype(float)
    low, high = np.percentile(raw, (0.5, 99.5))
    expected = np.clip(np.rint((raw - low) * 255 / (high - low)), 0, 255)
    assert np.abs(tile - expected[..., None]).max() <= 1  # float32 in one, float64 in the other


def test_test_images_get_empty_annotation_files(folder):
    counts = run(folder, labelled=False)
    files = contents(folder / 'out')
    texts = [name for name in files if name.startswith('annfiles/')]
    assert len(texts) == counts['tiles'] == len(files) // 2 and not any(files[name] for name in texts)


def test_small_images_are_padded_right_and_below(folder):
    run(folder, 'dotav1_ss', labelled=False)
    tile = cv2.imread(str(folder / 'out/images/P2__1024__0___0.png'))
    assert tile.shape == (1024, 1024, 3)
    assert np.array_equal(tile[:700, :300], cv2.imread(str(folder / 'images/P2.png')))
    assert (tile[700:] == (104, 116, 124)).all() and (tile[:, 300:] == (104, 116, 124)).all()


def test_virtual_windows_are_the_written_tiles(folder):
    run(folder, labelled=False)
    seen = 0
    for name in ('P1', 'P2'):
        for tile, window, pixels in cut.windows_of(str(folder / 'images' / (name + '.png')), PRESETS['dotav1_ms']):
            assert np.array_equal(pixels, cv2.imread(str(folder / 'out/images' / (tile + '.png'))))
            assert pixels.shape[0] == window[2] - window[0]
            seen += 1
    assert seen == sum(name.startswith(('images/P1_', 'images/P2_')) for name in contents(folder / 'out'))


def test_a_killed_run_continues(folder, monkeypatch):
    expected = run(folder, out='whole')
    real = cut._write

    def dies(task, *rest):
        if task.stem == 'P2':
            raise KeyboardInterrupt
        real(task, *rest)
    monkeypatch.setattr(cut, '_write', dies)
    with pytest.raises(KeyboardInterrupt):
        run(folder)
    with open(str(folder / 'out' / journal.NAME), 'a') as stream:
        stream.write('{"image": "P1')
    seen = []
    monkeypatch.setattr(cut, '_write', lambda task, *rest: (seen.append(task.stem), real(task, *rest)))
    assert run(folder) == expected
    assert set(seen) == {'P2', 'P10'}
    assert contents(folder / 'out') == contents(folder / 'whole')


@pytest.mark.parametrize('jobs', [2, 5])
def test_processes_give_the_same(folder, jobs):
    assert run(folder, jobs=jobs) == run(folder, out='single')
    assert contents(folder / 'out') == contents(folder / 'single')


@pytest.mark.parametrize('suffix', ['.png', '.tif'])
@pytest.mark.parametrize('jobs', [2, 3, 9])
def test_processes_share_one_image_and_write_the_same_bytes(tmp_path, suffix, jobs):
    for name in ('images', 'labelTxt'):
        (tmp_path / name).mkdir()
    make_image(tmp_path / 'images' / ('P1' + suffix), 2300, 2900, 1)
    make_labels(tmp_path / 'labelTxt' / 'P1.txt', 2300, 2900, 40, 1)
    assert run(tmp_path, jobs=jobs) == run(tmp_path, out='single')
    assert contents(tmp_path / 'out') == contents(tmp_path / 'single')


@pytest.mark.parametrize('parts', [1, 2, 3, 7, 50])
def test_each_window_is_in_one_part(parts):
    windows = window_positions(5000, 4000, preset('dotav1_ms'))
    area = np.prod(windows[:, 2:] - windows[:, :2], axis=1)
    numbers = parts_of(windows, area, parts)
    shares = [numbers == part for part in range(parts)]
    assert (np.sum(shares, axis=0) == 1).all()
    assert max(area[share].sum() for share in shares) < area.sum() / parts + area[windows[:, 1] == 0].sum()


def test_a_foreign_folder_is_refused_and_left_alone(folder):
    (folder / 'out').mkdir()
    (folder / 'out/precious.txt').write_text('mine')
    with pytest.raises(MTPError, match='precious.txt and no mark'):
        run(folder)
    assert os.listdir(str(folder / 'out')) == ['precious.txt']
    run(folder, 'dotav1_ss', out='other')
    with pytest.raises(MTPError, match='other settings'):
        run(folder, 'dotav1_ms', out='other')


def test_errors_name_the_file(folder):
    (folder / 'images/P3.png').write_bytes(b'\x89PNG\r\n\x1a\nnot more')
    (folder / 'labelTxt/P3.txt').write_text('')
    with pytest.raises(MTPError, match='P3.png'):
        run(folder)
    (folder / 'labelTxt/P3.txt').unlink()
    with pytest.raises(MTPError, match='P3.txt'):
        run(folder, out='other')
    assert not (folder / 'other').exists()
    whole = (folder / 'images/P1.png').read_bytes()
    (folder / 'images/P3.png').write_bytes(whole[:len(whole) // 2])
    (folder / 'labelTxt/P3.txt').write_text('')
    with pytest.raises(MTPError, match='P3.png'):
        run(folder, out='third')
    with pytest.raises(MTPError, match='nowhere'):
        cut.cut_folder('dotav1_ss', str(folder / 'nowhere'), str(folder / 'x'))


def test_crossing_corners_do_not_stop_the_run(folder):
    (folder / 'labelTxt/P2.txt').write_text('10 10 100 100 100 10 10 100 plane 0\n')
    run(folder, 'dotav1_ss')
    assert (folder / 'out/annfiles/P2__1024__0___0.txt').read_text().endswith('plane 0\n')


def test_gray_palette_alpha_and_16_bit_images(tmp_path):
    from PIL import Image
    (tmp_path / 'images').mkdir()
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    Image.fromarray((ramp % 256).astype(np.uint8)).save(str(tmp_path / 'images/gray.png'))
    Image.fromarray((ramp % 256).astype(np.uint8)).convert('P').save(str(tmp_path / 'images/palette.png'))
    Image.fromarray(np.dstack([ramp % 256] * 4).astype(np.uint8), 'RGBA').save(str(tmp_path / 'images/alpha.png'))
    cv2.imwrite(str(tmp_path / 'images/deep.tif'), ramp * 16)
    counts = run(tmp_path, 'dotav1_ss', labelled=False)
    assert counts['tiles'] == 4
    gray = cv2.imread(str(tmp_path / 'out/images/gray__1024__0___0.png'))
    assert np.array_equal(gray[:64, :64, 0], ramp % 256)


def test_the_journal_counts(folder, capsys):
    cut.main(['--preset', 'dotav1_ss', '--images', str(folder / 'images'), '--labels', str(folder / 'labelTxt'),
              '--out', str(folder / 'out'), '--jobs', '1'])
    assert '3 images' in capsys.readouterr().out
    rows = [json.loads(line.rpartition(' ')[0]) for line in (folder / 'out' / journal.NAME).read_text().splitlines()]
    assert [row['image'] for row in rows] == ['P1', 'P2', 'P10']
    assert (rows[0]['width'], rows[0]['height'], rows[0]['objects']) == (1300, 900, 40)


@pytest.mark.skipif(not os.path.isdir(SAMPLE), reason='the real samples are not here')
def test_real_sample(tmp_path):
    labels = tmp_path / 'labelTxt'
    labels.mkdir()
    with open(os.path.join(SAMPLE, 'labelTxt/P0706.txt'), 'rb') as stream:
        (labels / 'P0706.txt').write_bytes(stream.read())
    counts = cut.cut_folder('dotav1_ss', os.path.join(SAMPLE, 'images'), str(tmp_path / 'out'), str(labels))
    assert counts['objects'] == 536 and counts['placed'] >= 536
    assert counts['tiles'] == len(window_positions(1111, 1182, Preset(1024, 200))) == 4


def test_any_number_of_objects_may_lie_in_one_place():
    """Held against each other, 30,000 boxes of one place would be 900 million pairs."""
    polygons = np.tile(np.float32([1, 1, 20, 1, 20, 20, 1, 20]), (30000, 1))
    windows = np.array([[0, 0, 64, 64], [48, 0, 112, 64], [0, 10, 64, 74]])
    (first, whole), (second, _), (third, cut_off) = annotations.assign(polygons, windows, 0.5)
    assert len(first) == len(third) == 30000 and not len(second)
    assert not whole.any() and cut_off.all()


@pytest.mark.parametrize('of_image, of_label', [('NFD', 'NFC'), ('NFC', 'NFD')])
def test_a_label_is_found_whatever_the_unicode_form_of_its_name(tmp_path, of_image, of_label):
    def place(form, folder, suffix):
        (tmp_path / folder).mkdir()
        return tmp_path / folder / unicodedata.normalize(form, 'Orléans_서울' + suffix)

    make_image(place(of_image, 'images', '.png'), 300, 200)
    place(of_label, 'labelTxt', '.txt').write_text('10 10 50 10 50 40 10 40 plane 0\n')
    assert run(tmp_path, 'dotav1_ss')['placed'] == 1
    text, = (tmp_path / 'out/annfiles').iterdir()
    assert text.name == unicodedata.normalize('NFC', 'Orléans_서울__1024__0___0.txt')
    assert text.read_text() == '10.0 10.0 50.0 10.0 50.0 40.0 10.0 40.0 plane 0\n'
    assert run(tmp_path, 'dotav1_ss')['tiles'] == 1  # and is known as done
