"""What ``pip install .`` gives: the core, away from any checkout, with everything that it reads at run time."""
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from mtp import __version__

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def build(source, wheels):
    """Make the wheel. The pinned environments hold a setuptools from before pyproject.toml: pip fetches a newer one."""
    result = subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--disable-pip-version-check',
                             '-w', wheels, source], cwd=os.path.dirname(source), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, universal_newlines=True, env=dict(os.environ, PYTHONPATH=''))
    if 'No matching distribution found for setuptools' in result.stdout:
        pytest.skip('building a wheel needs the package index')
    assert result.returncode == 0, result.stdout


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """A folder with what the wheel holds, made from a copy: building writes beside the sources."""
    folder = tmp_path_factory.mktemp('packaging')
    source = str(folder / 'source')
    shutil.copytree(os.path.join(ROOT, 'mtp'), os.path.join(source, 'mtp'),
                    ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('pyproject.toml', 'README.md'):
        shutil.copy(os.path.join(ROOT, name), source)
    build(source, str(folder / 'wheels'))
    (wheel,) = os.listdir(str(folder / 'wheels'))
    assert wheel.startswith(f'mtp_repro-{__version__}-')
    with zipfile.ZipFile(str(folder / 'wheels' / wheel)) as archive:
        archive.extractall(str(folder / 'site'))
    return folder / 'site'


def run(installed, *words):
    environ = dict(os.environ, PYTHONPATH=str(installed))
    return subprocess.run([sys.executable, *words], cwd=str(installed.parent), env=environ, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)


TEN_LINES = """
import torch
from mtp.checkpoints import load_backbone
from mtp.nn import RVSA
model = RVSA(img_size=64, embed_dim=32, depth=2, num_heads=2, interval=2, out_indices=[0, 1, 1, 1],
             use_abs_pos_emb=True)
torch.save({'state_dict': {'encoder.' + key: value for key, value in model.state_dict().items()}}, 'weights.pth')
print(load_backbone(model, 'weights.pth'))
print([tuple(each.shape) for each in model(torch.zeros(1, 3, 64, 64))])
import mtp; print(mtp.__file__)
"""


def test_the_example_of_ten_lines_runs_away_from_the_checkout(installed):
    result = run(installed, '-c', TEN_LINES)
    assert result.returncode == 0, result.stdout
    assert '0 missing, 0 left over' in result.stdout and str(installed) in result.stdout


@pytest.mark.parametrize('words', [('data', 'describe', 'dotav1'), ('tiles', 'cut', '--help'), ('submit', '--help'),
                                   ('checkpoints', '--help')], ids=' '.join)
def test_the_command_of_the_package_answers(installed, words):
    result = run(installed, '-m', 'mtp', *words)
    assert result.returncode == 0 and 'Traceback' not in result.stdout, result.stdout


def test_an_unknown_command_is_answered_with_one_that_works(installed):
    result = run(installed, '-m', 'mtp', 'fly')
    assert result.returncode == 2 and "no command is called 'fly'" in result.stdout and 'mtp --help' in result.stdout


def test_every_data_file_of_the_core_is_in_the_wheel(installed):
    listed = [os.path.relpath(os.path.join(folder, name), ROOT)
              for folder, _, names in os.walk(os.path.join(ROOT, 'mtp'))
              for name in names if '__pycache__' not in folder and os.path.join('launch', 'fuse') not in folder]
    assert len(listed) > 200
    assert not [name for name in listed if not os.path.exists(str(installed / name))]


def test_timm_makes_the_published_backbone_with_its_features(installed):
    code = ('import timm, torch, mtp.timm_models\n'
            "model = timm.create_model('mtp_vit_t_rvsa', features_only=True, img_size=64).eval()\n"
            'maps = model(torch.zeros(1, 3, 64, 64))\n'
            'assert [m.shape[1] for m in maps] == model.feature_info.channels() == [128] * 4\n'
            'assert [64 // m.shape[-1] for m in maps] == model.feature_info.reduction() == [4, 8, 16, 32]\n'
            'from mtp.backbones import BACKBONES\n'
            "assert timm.list_models('mtp_*') == sorted('mtp_' + name for name in BACKBONES)\n")
    result = run(installed, '-c', code)
    assert result.returncode == 0, result.stdout


def test_timm_is_told_where_weights_come_from():
    pytest.importorskip('timm')
    import timm

    import mtp.timm_models  # noqa: F401 (registers)
    from mtp.errors import MTPError
    with pytest.raises(MTPError, match='no address'):
        timm.create_model('mtp_vit_t_rvsa', pretrained=True)
    with pytest.raises(MTPError, match='without a classifier'):
        timm.create_model('mtp_vit_t_rvsa', features_only=False)
