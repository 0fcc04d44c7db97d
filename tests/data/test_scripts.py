"""The published scripts, typed without arguments where there is no data: one error that says what is expected."""
import os
import subprocess
import sys

import pytest

from mtp.data.describe import ROOT

EXPECTED = {
    'convert_pkl_json.py': 'samrs/dotav2_1024_rbb/train.txt', 'dior_h_2_coco.py': 'ImageSets/Main/trainval.txt',
    'prepare_xview_dataset.py': 'xView_train.geojson', 'process_spacenet.py': 'spacenet/3band',
    'change_loveda_label.py': 'loveda/predict/submit',
}


@pytest.mark.parametrize('script', sorted(EXPECTED))
def test_without_arguments_and_data(tmp_path, script):
    environment = dict(os.environ, MTP_DATA_ROOT=str(tmp_path), MTP_WORK_ROOT=str(tmp_path))
    done = subprocess.run([sys.executable, os.path.join(ROOT, 'scripts', script)], cwd=str(tmp_path), env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 2 and EXPECTED[script] in done.stderr and 'next: ' in done.stderr
    assert 'Traceback' not in done.stderr and os.listdir(str(tmp_path)) == []
