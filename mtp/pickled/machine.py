"""A machine for the opcodes of pickle that data needs, and for no other. Standard library only.

A pickle is a program for a machine with a stack and a memory. Python's own machine trusts it. This one

* first walks over the whole program without building anything (:func:`mtp.pickled.program.scan`): every opcode is on
  the list, every length lies inside the file, every take from the stack finds something, every place of the memory that
  is read was written;
* then runs it. A name becomes a :class:`Maker` of ours out of a table, or the file is refused; only makers can be
  called, and only with what they check themselves. BUILD works on what :meth:`Pending.build` or ``__setstate__`` of our
  own classes takes. Keys of dicts are plain, so that no hash runs deep or long.

Each step makes at most one small object, so memory is bounded by the bytes of the file times a constant.
"""
import struct
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from mtp.pickled.program import MAX_NAME, Damaged, Data, Refused, scan

Names = Mapping[Tuple[str, str], Any]  # (module, name) -> what stands for it

MAX_INTEGER = 64  # bytes of a whole number; text made of longer ones costs quadratic time
NO_MEMORY = 'there is not enough memory for it'
MAX_TUPLE_KEYS = 10000  # the hash of a tuple of numbers can be forged


class Maker:
    """A function or class of ours in the hands of a pickle: it can be called, nothing else."""

    __slots__ = ('name', 'call')

    def __init__(self, name: str, call: Optional[Callable[..., Any]]) -> None:
        self.name, self.call = name, call

    def __repr__(self) -> str:
        return f'<{self.name}>'


class Pending:
    """Something that is whole only when BUILD has given it its state: then :meth:`build` says what takes its place."""

    places: Tuple[int, ...] = ()

    def build(self, state: Any) -> Any:
        """What is put wherever this stands."""
        raise NotImplementedError


class Steps:
    """A program that was found good, to be run.

    Args:
        data: bytes or mmap with the pickle.
        start: its first byte.
        names: (module, name) -> what stands for it.

    Attributes:
        stop: the place after the pickle.
        size: its bytes.
    """

    def __init__(self, data: Data, start: int, names: Names) -> None:
        try:
            self.codes, self.arguments, self.stop = scan(data, start, names)
        except struct.error:
            raise Damaged('it ends in the middle') from None
        except MemoryError:
            raise Damaged(NO_MEMORY) from None
        self.size, self.names = self.stop - start, names

    def run(self, names: Optional[Names] = None, persistent: Optional[Callable[[Any], Any]] = None,
            encoding: str = 'utf-8') -> Any:
        """The value that the program builds.

        Args:
            names: another table with the same keys.
            persistent: what stands for a persistent id; None when there are none in this kind of file.
            encoding: of the texts that Python 2 has written.

        Raises:
            Damaged, Refused.
        """
        machine = _Machine(names or self.names, persistent, encoding)
        try:
            do = machine.do
            for code, argument in zip(self.codes, self.arguments):
                do[code](machine, argument)
            return machine.stack.pop()
        except (Damaged, Refused):
            raise
        except MemoryError:
            raise Damaged(NO_MEMORY) from None
        except Exception as error:  # makers meet arguments of every kind; what they say is no news to a user
            raise Damaged(f'its parts do not fit together ({type(error).__name__})') from None


class _Machine:

    do: Dict[int, Callable[..., Any]]  # opcode -> method with the argument

    def __init__(self, names: Names, persistent: Optional[Callable[[Any], Any]], encoding: str) -> None:
        self.names, self.persistent, self.encoding = names, persistent, encoding
        self.stack: List[Any] = []
        self.below: List[List[Any]] = []
        self.memory: Dict[int, Any] = {}
        self.tuple_keys = 0

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def marked(self) -> List[Any]:
        """The items above the last mark; the stack is what was below it."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def mark(self, _: object) -> None:
        self.below.append(self.stack)
        self.stack = []

    def put(self, place: int) -> None:
        value = self.stack[-1]
        self.memory[place] = value
        if isinstance(value, Pending):
            value.places = tuple(value.places) + (place,)

    def key(self, value: Any) -> Any:
        """``value``, when it may be a key: plain, so that its hash is quick and cannot be forged."""
        kind = type(value)
        if kind in (str, bool, bytes, type(None)):
            return value
        if kind is int and abs(value) < 2**60 or kind is float and abs(value) < 2**53:
            return value
        if kind is tuple and len(value) < 9 and all(type(item) in (str, int, bool, bytes) for item in value):
            self.tuple_keys += 1
            if self.tuple_keys < MAX_TUPLE_KEYS:
                return value
        raise Refused(f'a key of type {kind.__name__}')

    def fill(self, target: Any, items: Sequence[Any]) -> None:
        if not isinstance(target, dict) or len(items) % 2:
            raise Damaged('a pair is put into something that is no dict')
        for position in range(0, len(items), 2):
            target[self.key(items[position])] = items[position + 1]

    def pairs(self, _: object) -> None:
        items = self.marked()
        self.fill(self.stack[-1], items)

    def pair(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.fill(self.stack[-1], (key, value))

    def new_dict(self, _: object) -> None:
        items = self.marked()
        made: Dict[Any, Any] = {}
        self.fill(made, items)
        self.push(made)

    def append(self, items: Iterable[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise Damaged('an item is appended to something that is no list')
        self.stack[-1].extend(items)

    def add(self, _: object) -> None:
        items = self.marked()
        if type(self.stack[-1]) is not set:
            raise Damaged('an item is added to something that is no set')
        self.stack[-1].update(map(self.key, items))

    def join(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.push(items)

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str or max(len(module), len(name)) > MAX_NAME:
            raise Damaged('a name that is no text')
        stand_in = self.names.get((module, name))
        if stand_in is None:
            raise Refused(f'{module}.{name}')
        self.push(stand_in)

    def stacked_name(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.name(module, name)

    def call(self, _: object) -> None:
        arguments, maker = self.stack.pop(), self.stack.pop()
        if type(maker) is not Maker or type(arguments) is not tuple:
            raise Refused(f'a call of a {type(maker).__name__}')
        if maker.call is None:
            raise Refused(f'a call of {maker.name}')
        made = maker.call(*arguments)
        if isinstance(made, dict):  # makers take dicts from the pickle or make empty ones; pairs are checked here
            for key in made:
                self.key(key)
        self.push(made)

    def build(self, _: object) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is Maker:
            raise Refused(f'a change of {target.name}')
        if isinstance(target, Pending):
            made = self.stack[-1] = target.build(state)
            for place in target.places:
                self.memory[place] = made
        else:
            restate(target, state)

    def persist(self, _: object) -> None:
        if self.persistent is None:
            raise Refused('a reference to something outside of it')
        self.push(self.persistent(self.stack.pop()))


def restate(target: Any, state: Any) -> None:
    """Give a rebuilt object its state: our own classes take one, and the metadata that torch hangs on state dicts."""
    own = getattr(type(target), '__setstate__', None)
    if own is not None and type(target).__module__.startswith('mtp.'):
        own(target, state)
    elif isinstance(target, dict) and type(target) is not dict:
        if state and not (type(state) is dict and set(state) == {'_metadata'} and isinstance(state['_metadata'], dict)):
            raise Refused(f'a state of a {type(target).__name__}')
        if state:
            setattr(target, '_metadata', state['_metadata'])
    elif state is not None:
        raise Refused(f'a change of a {type(target).__name__}')


def _number(text: bytes) -> int:
    return {b'00': False, b'01': True}[text] if text in (b'00', b'01') else int(text)


def _integer(data: bytes) -> int:
    if len(data) > MAX_INTEGER:
        raise Refused(f'a whole number of {len(data)} bytes')
    return int.from_bytes(data, 'little', signed=True)


def _table() -> Dict[int, Callable[..., Any]]:
    """See ``do`` of the machine."""
    made: Dict[int, Callable[..., Any]] = {}

    def pushes(codes: bytes, make: Callable[[Any], Any]) -> None:
        for code in codes:
            made[code] = lambda machine, argument, make=make: machine.stack.append(make(argument))

    for code, value in zip(b'N\x88\x89', (None, True, False)):
        made[code] = lambda machine, _, value=value: machine.stack.append(value)
    for code, kind in zip(b']})\x8f', (list, dict, tuple, set)):
        made[code] = lambda machine, _, kind=kind: machine.stack.append(kind())
    for code in b'KMJG':
        made[code] = _Machine.push
    pushes(b'I', _number)
    pushes(b'L', lambda text: int(text.rstrip(b'L')))
    pushes(b'F', float)
    pushes(b'V', lambda text: text.decode('raw-unicode-escape'))
    pushes(b'X\x8c\x8d', lambda data: data.decode('utf-8'))
    pushes(b'BC\x8e', bytes)
    pushes(b'\x96', bytearray)
    pushes(b'\x8a\x8b', _integer)
    for code in b'UT':
        made[code] = lambda machine, data: machine.stack.append(data.decode(machine.encoding))
    for code in b'pqr\x94':
        made[code] = _Machine.put
    for code in b'ghj':
        made[code] = lambda machine, place: machine.stack.append(machine.memory[place])
    for code, count in zip(b'\x85\x86\x87', (1, 2, 3)):
        made[code] = lambda machine, _, count=count: machine.join(count)
    made.update({
        ord('c'): lambda machine, names: machine.name(*names),
        0x93: _Machine.stacked_name,
        ord('('): _Machine.mark,
        ord('0'): lambda machine, _: machine.stack.pop(),
        ord('1'): lambda machine, _: machine.marked(),
        ord('l'): lambda machine, _: machine.push(machine.marked()),
        ord('t'): lambda machine, _: machine.push(tuple(machine.marked())),
        ord('d'): _Machine.new_dict,
        0x91: lambda machine, _: machine.push(frozenset(map(machine.key, machine.marked()))),
        ord('e'): lambda machine, _: machine.append(machine.marked()),
        ord('a'): lambda machine, _: machine.append((machine.stack.pop(),)),
        ord('u'): _Machine.pairs,
        ord('s'): _Machine.pair,
        0x90: _Machine.add,
        ord('R'): _Machine.call,
        0x81: _Machine.call,
        ord('b'): _Machine.build,
        ord('Q'): _Machine.persist,
        ord('.'): lambda machine, _: None,  # the value is taken when all steps are done
    })
    return made


_Machine.do = _table()
