"""Reading label pickles without running what is in them."""
import pickle

from mtp.errors import MTPError

# containers, numbers and NumPy arrays; nothing that can import, call or open
# (plain numbers, strings, lists and dicts need no name: the format has opcodes for them)
ADMITTED = {
    ('builtins', 'set'), ('builtins', 'frozenset'), ('collections', 'OrderedDict'), ('numpy', 'ndarray'),
    ('numpy', 'dtype'), ('_codecs', 'encode'),
} | {
    (module, name)
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray') for name in ('_reconstruct', 'scalar')
} | {
    (module, '_frombuffer') for module in ('numpy.core.numeric', 'numpy._core.numeric')
}


def _no_bytes():
    """Old protocols write empty bytes as a call of ``bytes``; with an argument that call could ask for any memory."""
    return b''


class _Unpickler(pickle.Unpickler):

    def find_class(self, module, name):
        if module == '__builtin__':  # pickles of Python 2
            module = 'builtins'
        if (module, name) == ('builtins', 'bytes'):
            return _no_bytes
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError('it names {}.{}, which label files have no business with'.format(module, name))
        return super().find_class(module.replace('numpy._core', 'numpy.core'), name)


def load(path):
    """The value pickled in ``path``: containers, strings, numbers and NumPy arrays only.

    Raises:
        MTPError: the file is missing, damaged, or names anything else.
    """
    try:
        with open(path, 'rb') as stream:
            return _Unpickler(stream).load()
    except OSError as error:
        raise MTPError('cannot read {}: {}'.format(path, error.strerror or error)) from None
    except Exception as error:  # a damaged pickle can raise nearly anything while it is rebuilt
        raise MTPError('{} is not a readable pickle: {}: {}'.format(path, type(error).__name__, error),
                       hint='get the file again from where the data set is published') from None
