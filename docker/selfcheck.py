"""Does this environment hold what the ledger says, and does it work? Run while an image is built, and by hand.

    python docker/selfcheck.py [--env mmrotate1] [--variant cpu] [--json]

Imports everything that the lock was asked for, compares versions with the ledger, and calls each package with compiled
parts once on an input whose answer is known: the operators too, and on a card where the variant is made for one.
Exit code 0 when nothing failed. A declared deviation (another patch level of Python) is
shown and fails nothing.
"""
import argparse
import contextlib
import importlib
import json
import os
import platform
import re
import sys

if sys.version_info < (3, 8):
    sys.exit('error: this is Python {}, and every environment is 3.8 or later\n  next: make doctor'.format(
        platform.python_version()))
from importlib.metadata import PackageNotFoundError, version  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.launch import ledger, venvs  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import probes  # noqa: E402

COMMON = ('torchvision.ops', 'torch.utils.tensorboard', 'mmcv.ops', 'pycocotools.mask', 'shapely.geometry',
          'matplotlib.pyplot', 'scipy.ndimage')
OK_, DECLARED, FAIL = 'ok', 'declared', 'fail'


def installed(package):
    """Version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def detect():
    """(environment, variant) that this interpreter holds, told by its mmcv, its stamp and its torch.

    Raises:
        MTPError: it holds no kind of mmcv, or several.
    """
    found = [name for name in ledger.names() if installed(ledger.environment(name)['ops']['package'])]
    if len(found) != 1:
        raise MTPError('{} holds {} of the environments {}'.format(
            sys.executable, ' and '.join(found) or 'none', ', '.join(ledger.names())),
            hint='make images' if os.environ.get('MTP_ENV') else 'make setup')
    return found[0], variant_of(found[0])


def variant_of(env):
    """Variant that this interpreter was made of: an image and a native environment say it, else torch's version."""
    said = os.environ.get('MTP_VARIANT') or venvs.stamp(sys.prefix, 'variant')
    fitting = [kind for kind in ledger.variants(env) if ledger.shipped(env, kind)['torch'] == installed('torch')]
    return said if said in ledger.variants(env) else (fitting or [ledger.plain(env)])[0]


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


def required(env):
    """Packages that the environment's lock was asked for: the ledger's pins and what our own code needs beside them."""
    wanted = ledger.requirements(env)['runtime']
    return list(ledger.environment(env)['packages']) + [re.match(r'[A-Za-z0-9._-]+', each).group() for each in wanted]


def check_imports(env):
    """Findings for every package that was asked for, and for the modules that training and testing import."""
    packages = [ledger.module(package) for package in required(env)]
    for name in packages + list(COMMON) + ledger.environment(env)['imports']:
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken package may raise anything while it is imported
            yield FAIL, 'import ' + name, '{}: {}'.format(type(error).__name__, error)
        else:
            yield OK_, 'import ' + name, ''


def check_calls(calls):
    """Findings for one real call each: ``calls`` are (name, function, answer)."""
    for name, call, expected in calls:
        try:
            seen = call()
        except Exception as error:  # a library built for something else may raise anything
            yield FAIL, name, '{}: {}'.format(type(error).__name__, error)
        else:
            yield (OK_, name, '') if seen == expected else (FAIL, name, 'gives {}, not {}'.format(seen, expected))


def check_card(env, variant):
    """Findings for the card, of a variant that is made for one."""
    if not ledger.variant(env, variant)['cuda']:
        return
    import torch
    if torch.cuda.is_available():
        yield from check_calls(probes.ON_CARD)
    else:
        yield DECLARED, 'card', 'torch sees none here, so no operator was tried on one'


def report(env, variant):
    """All findings in one dict, as ``--json`` prints it."""
    with contextlib.redirect_stdout(sys.stderr):  # some packages greet while they are imported
        findings = [dict(zip(('status', 'what', 'says'), found))
                    for found in [*check_versions(env, variant), *check_imports(env),
                                  *check_calls(probes.CALLS + probes.OPERATORS), *check_card(env, variant)]]
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
    env, variant = (options.env, options.variant) if options.env and options.variant else detect()
    result = report(options.env or env, options.variant or variant)
    print(json.dumps(result, indent=1) if options.json else text(result))
    return FAILED if result['failed'] else OK


if __name__ == '__main__':
    run_main(main)
