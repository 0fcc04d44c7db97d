"""Containers and numbers of the standard library that pickles make by calling them."""
import collections
from typing import Any, Callable, Counter, DefaultDict, Dict, Optional, Type, Union

from mtp.pickled.machine import Maker
from mtp.pickled.program import Damaged, Refused

MODULES = ('builtins', '__builtin__')
_FACTORIES: Dict[Optional[str], Callable[[], Any]] = {
    'list': list, 'dict': dict, 'int': int, 'float': float, 'set': set}


def _ordered(pairs: Any = ()) -> Dict[Any, Any]:
    """Empty, or of pairs as old protocols write them."""
    if type(pairs) not in (list, tuple) or any(type(pair) not in (list, tuple) or len(pair) != 2 for pair in pairs):
        raise Damaged('an OrderedDict that is not made of pairs')
    return collections.OrderedDict((plain(key), value) for key, value in pairs)


def plain(key: Any) -> Union[str, int, bytes]:
    """``key``, when its hash is quick."""
    if type(key) not in (str, int, bool, bytes):
        raise Refused(f'a key of type {type(key).__name__}')
    return key


def _counter(counts: Any = None) -> Counter[Any]:
    if type(counts) not in (dict, type(None)) or any(type(count) is not int for count in (counts or {}).values()):
        raise Damaged('a Counter that is not made of numbers')
    return collections.Counter(counts or {})


def _default(factory: Any = None) -> DefaultDict[Any, Any]:
    name = factory.name if type(factory) is Maker else None
    if factory is not None and name not in _FACTORIES:
        raise Refused('a defaultdict of something else than plain containers')
    return collections.defaultdict(_FACTORIES.get(name))


def _set(kind: Union[Type[set], Type[frozenset]]) -> Callable[..., Union[set, frozenset]]:
    def make(items: Any = ()) -> Union[set, frozenset]:
        if type(items) not in (list, tuple):
            raise Damaged(f'a {kind.__name__} that is not made of a list')
        return kind(map(plain, items))

    return make


def _bytearray(data: Any = b'', encoding: Any = None) -> bytearray:
    if type(data) is str and encoding in ('latin-1', 'latin1'):
        return bytearray(data, 'latin1')
    if type(data) is not bytes or encoding is not None:
        raise Refused('a call of bytearray with other arguments')
    return bytearray(data)


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise Damaged('a complex number that is not made of two')
    return complex(real, imaginary)


def _slice(*ends: Any) -> slice:
    if len(ends) != 3 or any(end is not None and type(end) is not int for end in ends):
        raise Damaged('a slice that is not made of numbers')
    return slice(*ends)


NAMES = {('collections', 'OrderedDict'): Maker('OrderedDict', _ordered),
         ('collections', 'Counter'): Maker('Counter', _counter),  # milestones of MultiStepLR
         ('collections', 'defaultdict'): Maker('defaultdict', _default)}
for _module in MODULES:
    for _kind in (list, dict, tuple, int, float, bool, str, object):  # as values; nobody calls them with anything
        NAMES[_module, _kind.__name__] = Maker(_kind.__name__, None)
    NAMES.update({(_module, 'set'): Maker('set', _set(set)), (_module, 'slice'): Maker('slice', _slice),
                  (_module, 'frozenset'): Maker('frozenset', _set(frozenset)),
                  (_module, 'bytearray'): Maker('bytearray', _bytearray),
                  (_module, 'complex'): Maker('complex', _complex)})
