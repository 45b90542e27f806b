"""`.npy` dictionaries, read without running code from them."""

import io
import pickletools
import re

import numpy as np

from datasets.files import write_atomically
from datasets.user_input import InputError, as_input_error


def save_dict(path, values):
    """Write a dict as `np.save` does, whole or not at all."""
    write_atomically(path, lambda file: np.save(file, np.array(values, dtype=object), allow_pickle=True))


def load_dict(path):
    """Read a dict that `np.save` wrote, without ever running code from it.

    NumPy stores a dict as a pickle: a program for a small stack machine, which may name any function and have it
    called. `_run_pickle` knows only the instructions that plain values and arrays need and only the names that NumPy
    writes for arrays, calls nothing, and notes what would have been called. `_Builder` then checks the notes and makes
    the arrays. Files of NumPy 1 and 2 are read.

    Returns the dict: keys are str, values are arrays, numbers, None, strings, and lists, tuples and dicts of them.
    Raises InputError.
    """
    with open(path, "rb") as file:
        content = io.BytesIO(file.read())
    size = len(content.getbuffer())
    with as_input_error(path, "a .npy file"):
        version = np.lib.format.read_magic(content)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[version](content)
        if shape != () or not dtype.hasobject:
            raise InputError(f"holds an array of shape {shape} and type {dtype}, not a dict")
        values = _Builder(size).build(_run_pickle(content.read()), outermost=True)
        if not isinstance(values, dict):
            raise InputError(f"holds a {type(values).__name__}, not a dict")
    return values


class _Note:
    """What a pickle says of one NumPy object: its name, what it is called with, and its state."""

    def __init__(self, name, arguments=None):
        self.name, self.arguments, self.state = name, arguments, None


NUMPY_NAMES = {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct"),
               ("numpy.core.multiarray", "scalar"), ("_codecs", "encode")}


def _run_pickle(content):  # noqa: C901, a case for each instruction
    """Run a pickle of protocol 2 to 4 as far as plain values and notes go. Raises InputError, or any error at all."""
    stack, outer_stacks, memo = [], [], {}
    for opcode, argument, _ in pickletools.genops(content):
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case ("BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "SHORT_BINUNICODE" | "BINUNICODE"
                  | "SHORT_BINBYTES" | "BINBYTES" | "BINBYTES8"):
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode.name])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode.name]())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(opcode.name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "MARK":
                outer_stacks.append(stack)
                stack = []
            case "TUPLE":
                items, stack = stack, outer_stacks.pop()
                stack.append(tuple(items))
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items, stack = stack, outer_stacks.pop()
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                if opcode.name == "SETITEM":
                    items = [stack.pop(-2), stack.pop()]
                else:
                    items, stack = stack, outer_stacks.pop()
                keys = items[::2]
                if not isinstance(stack[-1], dict) or not all(isinstance(key, str) for key in keys):
                    raise InputError("a dict in it has a key that is not a str")
                stack[-1].update(zip(keys, items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL" | "STACK_GLOBAL":
                module, name = argument.split(" ", 1) if argument else (stack.pop(-2), stack.pop())
                if type(module) is not str or type(name) is not str:  # a deep tuple must not even be hashed
                    raise InputError("refused: it names something by what is not a name")
                # NumPy 2 calls the module numpy._core; protocol 2 has bytes by way of _codecs.encode.
                if (module.replace("numpy._core", "numpy.core"), name) not in NUMPY_NAMES:
                    raise InputError(f"refused: it names {f'{module}.{name}'!r}, which could run code")
                stack.append(_Note(name))
            case "REDUCE":
                arguments = stack.pop()
                stack[-1] = _Note(stack[-1].name, arguments)
            case "BUILD":
                state = stack.pop()
                stack[-1].state = state
            case "STOP":
                (value,) = stack
                return value
            case _:
                raise InputError(f"refused: it has the pickle instruction {opcode.name}, which arrays do not need")


class _Builder:
    """Turns what `_run_pickle` noted into NumPy objects. Raises InputError, or whatever a malformed note leads to.

    What a note holds is of any type and depth. It is compared, hashed or printed only after its type has been checked.
    """

    def __init__(self, size):
        self.bytes_left = size  # bytes that all arrays together may have: no more than the file
        self.built = {}  # from id to result, so that what is referred to many times is built once

    def build(self, value, outermost=False):
        """Build a value and all that it holds.

        outermost : whether it is the array of Python objects that np.save puts around a dict; no other is admitted
        """
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value
        if id(value) not in self.built:
            if isinstance(value, dict):
                result = {key: self.build(item) for key, item in value.items()}
            elif isinstance(value, (list, tuple)):
                result = type(value)([self.build(item) for item in value])
            elif outermost and value.name == "_reconstruct" and value.state[2].arguments[0].startswith("O"):
                (content,) = value.state[4]
                result = self.build(content)
            else:
                result = self.build_noted(value)
            self.built[id(value)] = result
        return self.built[id(value)]

    def build_noted(self, note):
        """The array, NumPy number or bytes of a note."""
        if note.name == "encode":
            text, encoding = note.arguments
            if encoding != "latin1":
                raise InputError("refused: bytes in another encoding than latin1")
            return text.encode("latin1")
        if note.name == "scalar":
            dtype, content = note.arguments
            return self.array((), dtype, content, "C")[()]
        if note.name != "_reconstruct" or note.arguments is None:
            raise InputError(f"refused: it has numpy.{note.name} where an array or a number belongs")
        _, shape, dtype, fortran_order, content = note.state
        return self.array(shape, dtype, content, "F" if fortran_order else "C")

    def array(self, shape, dtype, content, order):
        """An array of noted type and bytes: of real or complex numbers, booleans or strings."""
        code, byte_order = dtype.arguments[0], dtype.state[1]
        if dtype.name != "dtype" or not re.fullmatch("[biufcSU][1-9][0-9]*", code):
            raise InputError(f"refused: an array of type {code!r:.50}")
        if type(byte_order) is not str or not all(type(size) is int and size >= 0 for size in shape):
            raise InputError("refused: an array of impossible shape or byte order")
        if isinstance(content, _Note):
            content = self.build_noted(content)
        array = np.ndarray(shape, np.dtype(code).newbyteorder(byte_order), content, order=order)
        self.bytes_left -= array.nbytes
        if array.nbytes != len(content) or self.bytes_left < 0:
            raise InputError(f"refused: an array of shape {shape} that the file does not have the bytes for")
        return array.copy(order="K")
