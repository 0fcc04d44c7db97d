"""Does this environment hold what the ledger says, and does it work? Run while an image is built, and by hand.

    python docker/selfcheck.py [--env mmrotate1] [--variant cpu] [--json]

Imports everything, compares versions with the ledger and calls two compiled operators on inputs whose answer is known.
Exit code 0 when nothing failed. A declared deviation (another patch level of Python, change detection left out) is
shown and fails nothing.
"""
import argparse
import contextlib
import importlib
import json
import math
import os
import platform
import sys

if sys.version_info < (3, 8):
    sys.exit('error: both environments are 3.8, this is {}\n  next: make doctor'.format(platform.python_version()))
from importlib.metadata import PackageNotFoundError, version  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.launch import ledger  # noqa: E402

COMMON = ('numpy', 'cv2', 'torch', 'torchvision', 'torchvision.ops', 'torch.utils.tensorboard', 'timm', 'mmengine',
          'mmcv', 'mmcv.ops', 'pycocotools.mask', 'shapely.geometry', 'matplotlib.pyplot', 'scipy.ndimage', 'tqdm')
MODULES = {
    'mmrotate1': COMMON + ('mmengine.runner', 'mmpretrain.apis', 'mmpretrain.models', 'mmdet.apis', 'mmdet.models',
                           'mmseg.apis', 'mmseg.models', 'mmrotate.models', 'mmrotate.datasets', 'mmrotate.evaluation'),
    'mmrotate03': COMMON + ('mmcv.runner', 'mmdet.apis', 'mmdet.models', 'mmrotate.apis', 'mmrotate.models',
                            'mmrotate.datasets', 'mmrotate.core'),
}
OK_, DECLARED, FAIL = 'ok', 'declared', 'fail'


def installed(package):
    """Version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def detect():
    """(environment, variant) that this interpreter holds, told by its mmcv and its torch.

    Raises:
        MTPError: it holds neither or both kinds of mmcv.
    """
    found = [name for name in ledger.names() if installed(ledger.environment(name)['ops']['package'])]
    if len(found) != 1:
        raise MTPError('{} holds {} of the two environments'.format(sys.executable, 'both' if found else 'neither'),
                       hint='make setup')
    _, plus, local = (installed('torch') or '').partition('+')
    variants = [name for name in ledger.variants() if ledger.variant(name)['local_version'] == plus + local]
    return found[0], variants[0] if variants else 'cpu'


def check_versions(env, variant):
    """Findings for Python and every package of the ledger: (status, what, sentence)."""
    wanted, seen = ledger.environment(env)['python']['shipped'], platform.python_version()
    if seen == wanted:
        yield OK_, 'python', seen
    else:
        same = seen.split('.')[:2] == wanted.split('.')[:2]
        yield DECLARED if same else FAIL, 'python', '{}; the ledger says {}'.format(seen, wanted)
    for package, expected in ledger.shipped(env, variant).items():
        seen = installed(package)
        if seen == expected:
            yield OK_, package, seen
        else:
            yield FAIL, package, '{}; the ledger says {}'.format(seen or 'not installed', expected)
    for package, pin in ledger.environment(env)['git'].items():
        if installed(package):
            yield OK_, package, installed(package)
        else:
            yield DECLARED, package, 'not installed; ' + pin['reason']


def check_imports(env):
    """Findings for the modules that training and testing import."""
    for name in MODULES[env]:
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken package may raise anything while it is imported
            yield FAIL, 'import ' + name, '{}: {}'.format(type(error).__name__, error)
        else:
            yield OK_, 'import ' + name, ''


def nms_answer():
    """What ``nms_rotated`` keeps of three boxes at thresholds around their IoU: ``{threshold: [index, ...]}``.

    Boxes of 4 x 2 on one centre, turned by 90 degrees, meet in 2 x 2: IoU 4 / 12. The third lies elsewhere.
    """
    import torch
    from mmcv.ops import nms_rotated
    boxes = torch.tensor([[10., 10., 4., 2., 0.], [10., 10., 4., 2., math.pi / 2], [30., 10., 4., 2., 0.3]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    return {threshold: sorted(nms_rotated(boxes, scores, threshold)[1].tolist()) for threshold in (0.32, 0.35)}


def roi_answer():
    """``RoIAlignRotated`` of the map ``x + 10 y``, for a box of 4 x 2 around pixel centre (8, 8), at 0 and 90 degrees.

    Bilinear samples of a linear map are exact: the mean of a cell is the map at the cell's centre. Returns two 1 x 2
    grids as lists: cells along the box's width.
    """
    import torch
    from mmcv.ops import RoIAlignRotated
    y, x = torch.meshgrid(torch.arange(16.), torch.arange(16.), indexing='ij')
    layer = RoIAlignRotated((1, 2), spatial_scale=1.0, sampling_ratio=2, aligned=True, clockwise=True)
    rois = torch.tensor([[0, 8.5, 8.5, 4., 2., 0.], [0, 8.5, 8.5, 4., 2., math.pi / 2]])
    return [[round(value, 3) for value in grid.flatten().tolist()] for grid in layer((x + 10 * y)[None, None], rois)]


ANSWERS = (
    ('nms_rotated', nms_answer, {0.32: [0, 2], 0.35: [0, 1, 2]}),
    # Cells one pixel left and right of (8, 8); turned clockwise by 90 degrees, one above and below it.
    ('RoIAlignRotated', roi_answer, [[87.0, 89.0], [78.0, 98.0]]),
)


def check_operators():
    """Findings for the compiled operators."""
    for name, call, expected in ANSWERS:
        try:
            seen = call()
        except Exception as error:  # an operator built for another torch may raise anything
            yield FAIL, name, '{}: {}'.format(type(error).__name__, error)
        else:
            yield (OK_, name, '') if seen == expected else (FAIL, name, 'gives {}, not {}'.format(seen, expected))


def report(env, variant):
    """All findings in one dict, as ``--json`` prints it."""
    with contextlib.redirect_stdout(sys.stderr):  # some packages greet while they are imported
        findings = [dict(zip(('status', 'what', 'says'), found))
                    for found in [*check_versions(env, variant), *check_imports(env), *check_operators()]]
    torch = sys.modules.get('torch')
    return {'environment': env, 'variant': variant, 'ledger': ledger.digest(env), 'python': platform.python_version(),
            'cuda': torch.version.cuda if torch else None, 'findings': findings,
            'failed': sum(found['status'] == FAIL for found in findings)}


def text(result):
    """The report for people: what deviates or failed, and one line for the rest."""
    lines = ['{environment} ({variant}), ledger {}'.format(result['ledger'][:12], **result)]
    lines += ['  {status:8s} {what}: {says}'.format(**found) for found in result['findings'] if found['status'] != OK_]
    good = sum(found['status'] == OK_ for found in result['findings'])
    return '\n'.join(lines + ['  {} checks passed, {} failed'.format(good, result['failed'])])


def main(argv=None):
    """Check this environment against the ledger."""
    parser = argparse.ArgumentParser(prog='selfcheck.py', description=main.__doc__)
    parser.add_argument('--env', help='environment it has to be (default: the one it holds)')
    parser.add_argument('--variant', help='variant it has to be (default: told by its torch)')
    parser.add_argument('--json', action='store_true', help='print every finding as JSON')
    options = parser.parse_args(argv)
    os.environ.setdefault('MPLBACKEND', 'Agg')
    env, variant = (options.env, 'cpu') if options.env and options.variant else detect()
    result = report(options.env or env, options.variant or variant)
    print(json.dumps(result, indent=1) if options.json else text(result))
    return FAILED if result['failed'] else OK


if __name__ == '__main__':
    run_main(main)
