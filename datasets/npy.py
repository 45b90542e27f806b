"""`.npy` dictionaries, read without running code from them."""

import io
import pickle
import re

import numpy as np

from datasets.files import write_atomically
from datasets.user_input import InputError, as_input_error


def save_dict(path, values):
    """Write a dict as `np.save` does, whole or not at all."""
    write_atomically(path, lambda file: np.save(file, np.array(values, dtype=object), allow_pickle=True))


def load_dict(path):
    """Read a dict that `np.save` wrote, without ever running code from it.

    NumPy stores a dict as a pickle, which may name any function and have it called. Here a pickle is given nothing but
    stand-ins for the few functions that NumPy names for arrays. Files of NumPy 1 and 2 are read.

    Returns the dict: keys are str, values are arrays (read-only), numbers, None, strings, bytes, and lists, tuples and
    dicts of them. Raises InputError, or OSError.
    """
    with open(path, "rb") as file:
        content = io.BytesIO(file.read())
    with as_input_error(path, "a .npy file"):
        np.lib.format.read_magic(content)
        shape, _, dtype = np.lib.format.read_array_header_1_0(content)
        if (shape, dtype) != ((), np.dtype(object)):
            raise InputError(f"holds an array of shape {shape} and type {dtype}, not a dict")
        stored = _Unpickler(content).load()
    objects = getattr(stored, "value", None)  # of the array of Python objects that np.save puts around a dict
    if type(objects) is not list or len(objects) != 1 or type(objects[0]) is not dict:
        raise InputError(f"{path}: holds something else than a dict")
    return _plain(path, objects[0])


def _plain(path, value):
    """A value with arrays in the place of their stand-ins. Raises InputError."""
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _plain(path, item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(path, item) for item in value)
    if type(value) is _Array and isinstance(value.value, (np.ndarray, np.generic)):
        return value.value
    if type(value) in (bool, int, float, str, bytes, type(None)):
        return value
    raise InputError(f"{path}: refused: it holds other things than arrays, numbers and strings, or a key that is no "
                     "str")


class _Unpickler(pickle.Unpickler):
    """Gives a pickle the stand-ins for the names of NAMES, and refuses all others."""

    def find_class(self, module, name):
        if (module, name) not in NAMES:
            raise InputError(f"refused: it names {f'{module}.{name}'[:60]!r}, which could run code")
        return lambda *arguments: NAMES[module, name](*arguments)  # a new one, for a pickle may change what it gets


class _Dtype:
    """Stands for the type of an array: numbers, booleans, strings, or Python objects."""

    __slots__ = ("value",)

    def __init__(self, code, *_):  # flags follow: to align it, to copy it
        if not re.fullmatch("O[48]?|[biufcSU][1-9][0-9]{0,8}", code):
            raise InputError("refused: an array of a type that is not allowed")
        self.value = np.dtype(code)

    def __setstate__(self, state):
        self.value = self.value.newbyteorder(state[1])


class _Array:
    """Stands for an array, or for a number of NumPy's: `value`. For an array of Python objects that is their list."""

    __slots__ = ("value",)

    def __init__(self, value=()):
        self.value = value

    def __setstate__(self, state):
        _, shape, dtype, is_fortran, content = state
        self.value = content if dtype.value.hasobject else _array(content, dtype, shape, "CF"[is_fortran])


def _array(content, dtype, shape, order):
    """An array of numbers, booleans or strings; NumPy itself refuses to make one of objects from bytes."""
    return np.frombuffer(content, dtype.value).reshape(shape, order=order)


def _from_buffer(content, dtype, shape, order, axes=None):
    """An array as protocol 5 stores it; axes : how it lies in memory, if that is neither C's nor Fortran's order."""
    return _Array(_array(content, dtype, shape, "C").transpose(axes) if axes else _array(content, dtype, shape, order))


# What a pickle of arrays names, and what is called instead. NumPy 2 calls numpy.core numpy._core.
NAMES = {("numpy", "ndarray"): None, ("numpy", "dtype"): _Dtype,
         ("_codecs", "encode"): lambda text, _: str.encode(text, "latin1"), ("__builtin__", "bytes"): lambda: b""}
for _core in ("numpy.core", "numpy._core"):
    NAMES |= {(f"{_core}.multiarray", "_reconstruct"): lambda *_: _Array(),
              (f"{_core}.multiarray", "scalar"): lambda dtype, content: _Array(_array(content, dtype, (), "C")[()]),
              (f"{_core}.numeric", "_frombuffer"): _from_buffer}
