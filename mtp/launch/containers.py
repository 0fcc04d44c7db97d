"""In what a command runs: the choice among the runtimes, and where a path lies for the program. Pure."""
import os
from typing import TYPE_CHECKING, Iterable, List, Tuple

from mtp.errors import MTPError
from mtp.launch import choice, ledger, runtimes
from mtp.launch.plan import Command, Problem
from mtp.launch.runtimes.base import INSIDE

if TYPE_CHECKING:
    from mtp.launch.host import Host
    from mtp.launch.jobs import Job
    from mtp.launch.settings import Settings


def choose(settings: 'Settings', host: 'Host', env: str) -> Tuple[str, str, Tuple[Problem, ...]]:
    """(runtime, reason, problems): what is taken for ``env``, why in one line, and what is missing for it."""
    runtime, reason, problems = _chosen(settings, host, env)
    kind = choice.variant(settings, host, env)
    if not settings.variant:
        kind = runtimes.get(runtime).variant(host, env, kind)
    taken = '' if settings.variant else choice.why(env, kind, choice.seen(settings, host))
    said = '; '.join(filter(None, [reason, taken, ledger.standing(env)]))
    return runtime, said, tuple(problems) + _of_cards(settings, host, env, kind)


def settled(settings: 'Settings', host: 'Host') -> 'Settings':
    """``settings`` with the environment that the cards here need, where none of the record has code for them.

    By itself it is taken only where it is made already; with ACCEL=nv it is asked for.
    """
    seen = choice.seen(settings, host)
    if settings.env or settings.variant or not seen:
        return settings
    others = choice.alternatives(ledger.recorded()[0], seen)
    if not others or others[0][0] in ledger.recorded():
        return settings
    env, kind = others[0]
    own = settings._replace(env=env, given=dict(settings.given, ENV=env))
    here = not all(each.problems(own, host, env, kind) for each in runtimes.TABLE.values())
    return own if settings.accel == 'nv' or here else settings


def _of_cards(settings: 'Settings', host: 'Host', env: str, kind: str) -> Tuple[Problem, ...]:
    """What the cards of this machine lack for a variant: one at all, code for them, a driver."""
    if settings.launcher == 'slurm' or settings.accel == 'none' or kind not in ledger.variants(env):
        return ()
    cuda = ledger.variant(env, kind)['cuda']
    if cuda and settings.accel == 'auto' and host.accel != 'nv':
        return (Problem('VARIANT={} computes on NVIDIA cards, and this machine shows none'.format(kind),
                        'ACCEL=none VARIANT={}, or ACCEL=nv where a card is there and only not seen'.format(
                            ledger.plain(env))),)
    if settings.accel == 'nv' and host.cards and not cuda:
        others = choice.alternatives(env, host.cards)
        return (Problem(choice.why(env, kind, host.cards), 'ENV={} VARIANT={}'.format(*others[0]) if others else
                        'ACCEL=none; no variant serves these cards'),)
    return choice.trouble(env, kind, host.cards)


def _chosen(settings: 'Settings', host: 'Host', env: str) -> Tuple[str, str, Tuple[Problem, ...]]:
    kind = choice.variant(settings, host, env)
    missing = {each.name: each.problems(settings, host, env, kind) for each in runtimes.possible(settings)}
    if settings.runtime != 'auto':
        return settings.runtime, f'{settings.runtime}: asked for by RUNTIME', missing[settings.runtime]
    said = {name: f'{name}: {runtimes.get(name).what(settings, env, kind)}' for name in missing}
    passed_over: List[str] = []
    *first, last = missing
    for name in first:
        if not missing[name]:
            return name, ', '.join([said[name] + ' is here'] + passed_over), ()
        passed_over.append(f'not {name} ({missing[name][0].message})')
    return last, ', '.join([said[last]] + passed_over), missing[last]


def wrap(runtime: str, settings: 'Settings', host: 'Host', job: 'Job', inner: Iterable[str],
         alone: bool = True) -> Command:
    """``inner`` as a :class:`Command` in ``runtime``.

    Args:
        job: its ``env`` says which image, its ``reads`` and ``writes`` which folders, ``processes`` how many there are.
        inner: words that follow ``python``.
        alone: no other container works on the same job; then docker gives it no network.
    """
    kind = choice.variant(settings, host, job.env)
    return runtimes.get(runtime).command(settings, host, job, kind, inner, alone)


class Places(object):
    """Where a path of the host lies for the program that is started."""

    def __init__(self, runtime: str, settings: 'Settings', host: 'Host') -> None:
        self.in_image = runtimes.get(runtime).in_image
        self.root = host.root
        self.outside = {'data': settings.data_root, 'weights': settings.weights_root, 'work_dirs': settings.work_root}

    def of(self, path: str) -> str:
        """``path`` as the program sees it.

        Args:
            path: a short path (``work_dirs/x``), one relative to the checkout, or an absolute one of the host.

        Raises:
            MTPError: the path lies in no folder that the container sees.
        """
        head, slash, tail = path.partition('/')
        if slash and head in self.outside:
            return self._base(head) + '/' + tail
        if not self.in_image:
            return path
        full = os.path.normpath(os.path.join(self.root, path))
        for kind, folder in self.outside.items():
            relative = _below(full, os.path.join(self.root, folder))
            if relative:
                return INSIDE[kind] + '/' + relative
        relative = _below(full, self.root)
        if relative:
            return relative
        raise MTPError(f'{path} lies in no folder that the container sees',
                       hint='move it below MTP_DATA_ROOT, MTP_WEIGHTS_ROOT or MTP_WORK_ROOT')

    def host(self, path: str) -> str:
        """``path`` with a short prefix replaced, for looking at it from the host."""
        head, slash, tail = path.partition('/')
        return os.path.join(self.root, self.outside[head] + '/' + tail if slash and head in self.outside else path)

    def kept(self, path: str) -> str:
        """``path``, given as for :meth:`of`, relative to the checkout: the same folder for a script on the host."""
        return os.path.relpath(self.host(path), self.root) if not os.path.isabs(path) else path

    def _base(self, kind: str) -> str:
        if self.in_image:
            return INSIDE[kind]
        folder = self.outside[kind].rstrip('/')
        head, slash, _ = folder.partition('/')
        # In work_dirs/mine the program would take work_dirs/ for the root, which is work_dirs/mine, once more.
        return os.path.join(self.root, folder) if slash and head in self.outside else folder


def _below(path: str, folder: str) -> str:
    relative = os.path.relpath(path, os.path.normpath(folder))
    return '' if relative.startswith('..') or relative == '.' else relative
