"""What ``make doctor`` says of a card: for each variant that would be taken, whether it has code for it. Pure."""
from typing import TYPE_CHECKING, Dict, Iterator, List, Sequence

from mtp.launch import choice, ledger, runtimes
from mtp.launch.cards import Card, numbers, old_driver, runs, sm
from mtp.launch.findings import Finding, fail, good, warn

if TYPE_CHECKING:
    from mtp.launch.doctor import Question


def findings(question: 'Question', card: Card, where: str) -> Iterator[Finding]:
    """Findings of one card; ``where`` (`` on node7``) stands behind what each is of."""
    for kind, envs in taken(question).items():
        entry = ledger.variant(envs[0], kind)
        if not entry['cuda']:
            said = f'{card.driver}; the variant {kind} has no CUDA operators'
            yield warn('driver' + where, said, instead(question, envs[0], card))
            continue
        yield _architecture(question, card, kind, envs)._replace(what=card.name + where)
        yield _driver(question, card, kind, envs)._replace(what='driver' + where)


def taken(question: 'Question') -> Dict[str, List[str]]:
    """``{variant: environments}`` of what would be run; a variant that the ledger lacks is judged by its site."""
    found = {}
    for env in question.envs:
        kind = choice.variant(question.settings, question.host, env)
        if kind in ledger.variants(env):
            found.setdefault(kind, []).append(env)
    return found


def instead(question: 'Question', env: str, card: Card) -> str:
    """The command that brings what serves ``card``: another variant of ``env``, else another environment."""
    for other, kind in choice.alternatives(env, [card]):
        return '{} ENV={} VARIANT={}'.format(runtimes.get(
            question.runtimes.get(other, question.runtimes[env])).makes, other, kind)
    return f'ACCEL=none VARIANT={ledger.plain(env)}, or another card'


def _architecture(question: 'Question', card: Card, kind: str, envs: Sequence[str]) -> Finding:
    if card.architecture is None:
        return warn('', 'its driver does not say the architecture')
    architectures, name = ledger.variant(envs[0], kind)['architectures'], sm(card.architecture)
    newest = max(map(numbers, architectures))
    whose = '{} of {}'.format(kind, ' and '.join(envs))
    if not runs(architectures, card):
        said = f'{name}: {whose} has no code for it, only for {sm(min(map(numbers, architectures)))} to {sm(newest)}'
        return fail('', said, instead(question, envs[0], card))
    if card.architecture > newest:
        return warn('', f'{name} is newer than {whose}, which runs there with its code for {sm(newest)}')
    return good('', f'{name}: {whose} has code for it')


def _driver(question: 'Question', card: Card, kind: str, envs: Sequence[str]) -> Finding:
    entry = ledger.variant(envs[0], kind)
    if not old_driver(entry['driver'], card):
        return good('', '{} runs CUDA {}'.format(card.driver, entry['cuda']))
    said = '{} is too old for CUDA {} of {}, which needs {}'.format(card.driver, entry['cuda'], kind, entry['driver'])
    others = choice.alternatives(envs[0], [card])
    return fail('', said, instead(question, envs[0], card) if others else
                'a driver from {} on (ask who runs the machine), or ACCEL=none'.format(entry['driver']))
