"""From what a user calls a config to the file and the environment it belongs to.

The published guide says ``configs/mtp/<dataset>/<name>.py``; here a leaf lies in ``configs/<env>/<dataset>/<name>.py``
and its folder says in which environment it runs. The published names, bare names and real paths all resolve.
"""
import difflib
import os
import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

from mtp.errors import NOT_YET, MTPError
from mtp.launch import ledger

# Folder names of the published trees that differ from the name of the dataset.
DATASET_ALIASES = {'dior-r': 'diorr', 'fair1m20': 'fair1m', 'fair1mv2': 'fair1m', 'dota': 'dotav1', 'nwpu': 'resisc45'}

# A leaf in an environment that runs it: several may share one folder of configs.
Leaf = NamedTuple('Leaf', [('env', str), ('dataset', str), ('stem', str)])


def leaf_path(leaf: Leaf) -> str:
    """Path of a leaf below the repository."""
    return 'configs/{}/{}/{}.py'.format(ledger.environment(leaf.env)['configs'], leaf.dataset, leaf.stem)


def preferred(purpose: str) -> str:
    """Which environment is meant when several have a leaf of that name.

    FAIR1M and DOTA-v1.0 were trained in one and tested in the other.
    """
    return ledger.serving(purpose)[0]


def leaves(root: str = '.') -> List[Leaf]:
    """All :class:`Leaf` values below ``root``, sorted. Only folders that an environment names hold leaves."""
    found = []
    for env in ledger.names():
        top = os.path.join(root, 'configs', ledger.environment(env)['configs'])
        for dataset in sorted(os.listdir(top)) if os.path.isdir(top) else ():
            folder = os.path.join(top, dataset)
            if os.path.isdir(folder):
                found += [Leaf(env, dataset, name[:-3]) for name in sorted(os.listdir(folder)) if name.endswith('.py')]
    return found


def find(name: str, env: Optional[str] = None, purpose: str = 'train', prefer: Optional[str] = None,
         root: str = '.') -> Tuple[str, str]:
    """Environment and path of the config ``name``.

    Args:
        name: ``configs/<env>/<dataset>/<leaf>.py``, ``configs/mtp/<dataset>/<leaf>.py``, ``configs/mtp/<leaf>.py``,
            ``<dataset>/<leaf>``, a bare ``<leaf>`` (``.py`` may be left away), or a file of the user's own anywhere
            (then ``env`` has to be given, as no folder says it).
        env: the environment that is asked for; another one is refused.
        purpose: ``'train'`` or ``'test'``; decides where both environments have such a leaf.
        prefer: the environment to take before ``purpose`` is asked: inside an image its own.
        root: the repository.

    Returns:
        tuple: environment, path relative to ``root`` with forward slashes (a file outside ``root`` keeps its path).

    Raises:
        MTPError: no such config (with near names), or one of another environment (both names).
    """
    if env:
        ledger.environment(env)
    name = name if os.path.isfile(os.path.join(root, name)) else name.strip()
    known = leaves(root)
    # Each environment by itself: one may have the very name, the other the longer one of the released file.
    each = [[leaf for leaf in known if leaf.env == own] for own in ledger.names()]
    found = [leaf for own in each for leaf in _matches(name, own, root)]
    if not found:
        return _own_file(name, env, known, root)
    fitting = [leaf for leaf in found if env in (None, '', leaf.env)]
    if env and not fitting:
        raise MTPError(f'{leaf_path(found[0])} belongs to {found[0].env}, but {env} is asked for',
                       hint='use ENV={}, or a config below configs/{}/'.format(
                           found[0].env, ledger.environment(env)['configs']))
    order = [prefer, preferred(purpose)]
    best = min(fitting, key=lambda leaf: order.index(leaf.env) if leaf.env in order else len(order))
    same = [leaf for leaf in fitting if leaf.env == best.env]
    if len(same) > 1:
        raise MTPError('the config {!r} can be {}'.format(name, ' or '.join(map(leaf_path, same))),
                       hint='name one of them in full')
    return best.env, leaf_path(best)


def of_dataset(dataset: str, env: Optional[str] = None, purpose: str = 'train',
               root: str = '.') -> Optional[Tuple[str, str]]:
    """Environment and path of the paper's main run on ``dataset``: RVSA-L, pretrained with MAE and MTP.

    Where it has no such leaf, and one only, that is meant. Returns None where there is none, or several.
    """
    known = [leaf for leaf in leaves(root) if leaf.dataset == dataset and env in (None, '', leaf.env)]
    main = [leaf for leaf in known if _is_main(leaf.stem)] or known * (len({leaf.stem for leaf in known}) == 1)
    if not main:
        return None
    best = min(main, key=lambda leaf: (leaf.env != preferred(purpose), len(leaf.stem), leaf))
    return best.env, leaf_path(best)


def not_one(dataset: str, purpose: str = 'train', root: str = '.') -> MTPError:
    """What is to be said where :func:`of_dataset` has found none in any environment."""
    known = [leaf for leaf in leaves(root) if leaf.dataset == dataset]
    if not known:
        return MTPError(f'not yet: there is no config for {dataset}', code=NOT_YET)
    word, said = 'finetune' if purpose == 'train' else 'test', ', '.join(leaf.stem for leaf in known)
    return MTPError(f"{dataset} has the configs {said}; none of them is the paper's main run (rvsa_l, mae_mtp)",
                    hint=f'make {word} CONFIG={leaf_path(known[0])}')


def dataset_and_stem(path: str) -> Tuple[str, str]:
    """(dataset, stem) of a config path: the last folder and the name without ``.py``."""
    folder, leaf = os.path.split(path.replace(os.sep, '/'))
    return os.path.basename(folder), leaf[:-3] if leaf.endswith('.py') else leaf


def _is_main(stem: str) -> bool:
    plain = f'_{_plain(stem)}_'
    return '_rvsa_l_' in plain and '_mae_mtp_' in plain


def _plain(stem: str) -> str:
    return stem.replace('-', '_').lower()


def _short(stem: str) -> str:
    # The guide names the FAIR1M leaves without the last word of the released file.
    plain = _plain(stem)
    return plain[:-len('_branches')] if plain.endswith('_branches') else plain


def _matches(name: str, known: List[Leaf], root: str) -> List[Leaf]:
    parts = _inside(name, root).replace(os.sep, '/').split('/')
    stem = parts[-1][:-3] if parts[-1].endswith('.py') else parts[-1]
    if parts[0] == 'configs':
        parts = parts[1:]
    if len(parts) > 1 and ledger.sharing(parts[0]):
        known = [leaf for leaf in known if leaf.env in ledger.sharing(parts[0])]
    if len(parts) > 1 and (ledger.sharing(parts[0]) or parts[0] == 'mtp'):
        parts = parts[1:]
    if len(parts) > 2:
        return []
    if len(parts) == 2:
        known = [leaf for leaf in known if leaf.dataset == DATASET_ALIASES.get(parts[0], parts[0])]
    for same in (lambda a, b: a == b, lambda a, b: _plain(a) == _plain(b), lambda a, b: _short(a) == _short(b)):
        found = [leaf for leaf in known if same(leaf.stem, stem)]
        if found:
            return found
    return []


def _inside(name: str, root: str) -> str:
    """``name`` relative to ``root`` when it lies below it, else as it is."""
    if os.path.isabs(name):
        relative = os.path.relpath(os.path.realpath(name), os.path.realpath(root))
        return name if relative.startswith('..') else relative
    return os.path.normpath(name) if name else name


def _by_bases(path: str) -> Optional[str]:
    """The first environment of the one folder whose base blocks a config of somebody's own builds on, or None."""
    with open(path, encoding='utf-8', errors='replace') as stream:
        found = set(re.findall(r'configs/(?:_base_/)?(\w+)/', stream.read()))
    folders = [folder for folder in sorted(found) if ledger.sharing(folder)]
    return ledger.sharing(folders[0])[0] if len(folders) == 1 else None


def _own_file(name: str, env: Optional[str], known: Sequence[Leaf], root: str) -> Tuple[str, str]:
    if name.endswith('.py') and os.path.isfile(os.path.join(root, name)):
        env = env or _by_bases(os.path.join(root, name))
        if not env:
            raise MTPError(f'{name} lies outside configs/<environment>/ and has no base of one, so nothing says in '
                           'which environment it runs', hint='ENV={}'.format(' or ENV='.join(ledger.names())))
        return env, _inside(name, root).replace(os.sep, '/')
    stems = sorted(set(leaf.stem for leaf in known))
    stem = dataset_and_stem(name)[1]
    near = difflib.get_close_matches(stem, stems, n=3, cutoff=0.6)
    paths = [leaf_path(leaf) for leaf in known if leaf.stem in near]
    raise MTPError(f'there is no config {name!r}',
                   hint='did you mean\n    ' + '\n    '.join(paths) if paths else 'ls configs/*/*')
