"""Which environment and which variant: as asked, else the nearest to the record that has code for the cards here. Pure.

Standard library only, Python >= 3.6.
"""
from typing import TYPE_CHECKING, Iterable, List, Sequence, Tuple

from mtp.errors import MTPError
from mtp.launch import ledger
from mtp.launch.cards import Card, old_driver, runs, sm
from mtp.launch.plan import Problem

if TYPE_CHECKING:
    from mtp.launch.host import Host
    from mtp.launch.settings import Settings

Cards = Sequence[Card]


def accelerator(settings: 'Settings', host: 'Host') -> str:
    """``nv``, ``rocm`` or ``none``: as asked, by ACCEL or a VARIANT with CUDA, else what this machine has, or under
    SLURM what GRES names.
    """
    if settings.accel != 'auto':
        return settings.accel
    if any(settings.variant in ledger.with_cuda(env) for env in ledger.names()):
        return 'nv'
    if settings.launcher == 'slurm':
        return 'rocm' if settings.gres.startswith('dcu') else 'nv'
    return host.accel


def card_asked_for(settings: 'Settings') -> bool:
    """Whether the user wants a card, so that a run without one is a fault: ACCEL or GRES name one, or SLURM gives
    it.
    """
    return settings.accel in ('nv', 'rocm') or settings.accel == 'auto' and settings.launcher == 'slurm'


def variant(settings: 'Settings', host: 'Host', env: str) -> str:
    """Which image: as asked, else the one of ``env`` for the NVIDIA cards of this machine, or for its processors."""
    accel = accelerator(settings, host)
    if settings.variant or accel == 'rocm':
        return settings.variant or accel
    return for_cards(env, seen(settings, host)) if accel == 'nv' else ledger.plain(env)


def seen(settings: 'Settings', host: 'Host') -> Cards:
    """The cards that a run would compute on, as far as they are seen from here: under SLURM they are elsewhere."""
    return () if settings.launcher == 'slurm' or accelerator(settings, host) != 'nv' else host.cards


def asked(settings: 'Settings', cards: Cards = ()) -> List[Tuple[str, str]]:
    """(environment, variant) of each one that a verb without a config works on: ENV, else those of the record that have
    VARIANT, else all that have it; without VARIANT those for ``cards``, or for processors where there are none.

    Where no environment of the record serves the cards and another one does, that comes with the others.

    Raises:
        MTPError: there is no such environment, or it has no such variant.
    """
    envs, kind = [settings.env] if settings.env else ledger.recorded(), settings.variant
    if kind and not settings.env:
        having = [env for env in ledger.names() if kind in ledger.variants(env)]
        envs = [env for env in having if env in envs] or having
    if not envs:
        raise MTPError('there is no variant {!r}; known: {}'.format(kind, ', '.join(ledger.variants())),
                       hint='VARIANT=' + ledger.variants()[0])
    for env in envs if kind else ():
        ledger.variant(env, kind)
    if kind or not cards:
        return [(env, kind or ledger.plain(env)) for env in envs]
    serving = [] if settings.env else [env for env, _ in alternatives(envs[0], cards)]
    further = [] if set(serving) & set(envs) else serving[:1]
    return [(env, for_cards(env, cards)) for env in envs + further]


def serves(env: str, kind: str, cards: Cards) -> bool:
    """Whether the variant ``kind`` has code for every one of ``cards``, and their drivers are new enough for it."""
    entry = ledger.variant(env, kind)
    return all(runs(entry['architectures'], card) and not old_driver(entry['driver'], card) for card in cards)


def for_cards(env: str, cards: Cards) -> str:
    """The variant of ``env`` for ``cards``, the nearest to the record that serves them.

    Without cards to look at the first with CUDA; where none serves them the one of processors.
    """
    return next((kind for kind in ledger.with_cuda(env) if serves(env, kind, cards)), ledger.plain(env))


def alternatives(env: str, cards: Cards) -> List[Tuple[str, str]]:
    """(environment, variant) of all that serve ``cards``: those of ``env`` first, then of the others."""
    envs = [env] + [other for other in ledger.names() if other != env]
    return [(other, kind) for other in envs for kind in ledger.with_cuda(other) if serves(other, kind, cards)]


def why(env: str, kind: str, cards: Cards) -> str:
    """One line: why ``kind`` was taken for ``cards``; '' without cards."""
    if not cards:
        return ''
    said = ', '.join(dict.fromkeys(_named(card) for card in cards))
    if kind == ledger.plain(env):
        other = alternatives(env, cards)
        return '{} {}: it has no code for {}{}'.format(env, kind, said, '; ENV={} VARIANT={} has'.format(*other[0])
                                                       if other else '')
    entry = ledger.variant(env, kind)
    return '{} {}: the nearest to the record ({}) that serves {}'.format(env, kind, entry['standing'], said)


def trouble(env: str, kind: str, cards: Cards) -> Tuple[Problem, ...]:
    """Why a variant cannot compute on ``cards``, as a tuple of at most one :class:`Problem`."""
    entry = ledger.variant(env, kind)
    for card in cards if entry['cuda'] else ():
        others = alternatives(env, [card])
        instead = 'ENV={} VARIANT={}, or ACCEL=none'.format(*others[0]) if others else ''
        if not runs(entry['architectures'], card):
            return (Problem(f'the variant {kind} of {env} has no code for {_named(card)}',
                            instead or f'ACCEL=none VARIANT={ledger.plain(env)}; no variant serves that card'),)
        if old_driver(entry['driver'], card):
            return (Problem('the driver {} of {} is too old for {} of {}: CUDA {} needs {}'.format(
                card.driver, card.name, kind, env, entry['cuda'], entry['driver']),
                instead or 'ACCEL=none; a driver from {} on is installed by who runs the machine'.format(
                    entry['driver'])),)
    return ()


def unseen(pairs: Iterable[Tuple[str, str]]) -> str:
    """One line on files that no package index has and whose download nobody has seen; '' when there are none."""
    found = {file: index for pair in pairs for file, index in ledger.unseen(*pair).items()}
    return 'not seen: {} from {}; where that does not answer the install is refused'.format(
        ', '.join(sorted(found)), ' and '.join(sorted(set(found.values())))) if found else ''


def _named(card: Card) -> str:
    return '{} ({})'.format(card.name, sm(card.architecture) if card.architecture else 'driver ' + card.driver)
