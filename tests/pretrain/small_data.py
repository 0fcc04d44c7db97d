"""A small SAMRS below a temporary folder, made once a test session."""
import os
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)


def write(folder, images=6):
    """Write sample images of all three subsets below ``folder``/samrs, with their COCO files."""
    environment = dict(os.environ, PYTHONPATH=ROOT, MTP_DATA_ROOT=str(folder))
    for words in (['-m', 'mtp.data.samples', 'samrs', '--out', str(folder), '--images', str(images)],
                  [os.path.join(ROOT, 'scripts', 'convert_pkl_json.py'), '--jobs', '1']):
        subprocess.run([sys.executable] + words, check=True, env=environment, stdout=subprocess.PIPE)
