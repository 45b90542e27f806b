"""`.npy` dictionaries, read without running code from them."""

import io
import pickletools
import re

import numpy as np

from datasets.files import write_atomically
from datasets.user_input import InputError, as_input_error

MAX_INSTRUCTIONS = 1_000_000  # of a pickle; the original experiment stored each cost in 20 of them

# The names in a pickle of arrays. NumPy 2 calls the module numpy._core; protocol 2 has bytes by way of _codecs.encode.
NAMES = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"), *(
    (f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar"))}

# The instructions of a pickle that put their argument on the stack, all that have an argument (but GLOBAL, of which
# pickletools would decode the escapes), and those that take items from the stack: that many, or, where it says 0, all
# since the last MARK.
CONSTANTS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES",
             "BINBYTES", "BINBYTES8"}
WITH_ARGUMENT = CONSTANTS | {"PROTO", "FRAME", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
TAKES = {"TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "APPENDS": 0, "SETITEM": 2, "SETITEMS": 0,
         "STACK_GLOBAL": 2, "REDUCE": 2, "BUILD": 2}

HEADER = re.compile(r"\{'descr': '([^']{1,20})', 'fortran_order': (?:True|False), 'shape': \(([0-9, ]{0,60})\), \} *\n")


def save_dict(path, values):
    """Write a dict as `np.save` does, whole or not at all."""
    write_atomically(path, lambda file: np.save(file, np.array(values, dtype=object), allow_pickle=True))


def load_dict(path):
    """Read a dict that `np.save` wrote, without ever running code from it.

    NumPy stores a dict as a pickle: a program for a small stack machine, which may name any function and have it
    called. `_Machine` knows only the instructions that plain values and arrays need and only the names that NumPy
    writes for arrays, and calls nothing. Files of NumPy 1 and 2 are read.

    No list, tuple, dict or array may stand in two places, or in itself. So the values are no larger than the file, and
    whatever the caller does with them takes time and memory in proportion to it.

    Returns the dict: keys are str, values are arrays (read-only), numbers, None, strings, bytes, and lists, tuples and
    dicts of them. Raises InputError.
    """
    with open(path, "rb") as file:
        content = file.read()
    with as_input_error(path, "a .npy file"):
        file = io.BytesIO(content)
        descr, shape = read_header(file)
        if (descr, shape) != ("|O", ""):
            raise InputError(f"holds an array of shape ({shape}) and type {descr}, not a dict")
        values = _Machine(file, len(content)).run()
        if type(values) is not dict:
            raise InputError(f"holds a {type(values).__name__}, not a dict")
    return values


def read_header(file):
    """Read the header of a `.npy` file. Returns the type and the shape as text: "<f8", "5, 3". Raises ValueError.

    np.lib.format would have Python's own parser read it, which warns of odd text and quotes all of it in its errors.
    """
    magic, length = file.read(8), int.from_bytes(file.read(2), "little")
    header = HEADER.fullmatch(file.read(length).decode("latin1"))
    if magic != b"\x93NUMPY\x01\x00" or header is None:
        raise ValueError("it does not begin with the header of one")
    return header.groups()


class _Note:
    """Stands on the stack for an allowed name, or for what would come of calling it."""

    __slots__ = ("what", "value")

    def __init__(self, what, value=None):
        self.what, self.value = what, value


class _Arguments(tuple):
    """A tuple with a note in it. Like a note it is no value: only a call or a state may have it."""


class _Machine:
    """Runs a pickle of protocol 2 to 4 as far as plain values and arrays go. Raises InputError, or any other error.

    What is on the stack may be of any type and depth: it is compared or printed only after its type has been checked.
    """

    def __init__(self, file, size):
        self.file = file
        self.bytes_left = size  # that may be made from text, as protocol 2 has them
        self.stack, self.outer_stacks, self.memo = [], [], []

    def run(self):  # noqa: C901, a case for each instruction
        """The value that the pickle leaves on the stack."""
        for _ in range(MAX_INSTRUCTIONS):
            opcode = pickletools.code2op.get(self.file.read(1).decode("latin1"))
            name = opcode.name if opcode else "END OF FILE"
            argument = opcode.arg.reader(self.file) if name in WITH_ARGUMENT else None
            items = self.take(TAKES[name]) if name in TAKES else None
            match name:
                case "PROTO" | "FRAME":
                    pass
                case _ if name in CONSTANTS:
                    self.stack.append(argument)
                case "NONE" | "NEWTRUE" | "NEWFALSE":
                    self.stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
                case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                    self.stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
                case "MARK":
                    self.outer_stacks.append(self.stack)
                    self.stack = []
                case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                    self.stack.append(tuple(items) if _are_values(items) else _Arguments(items))
                case "APPEND" | "APPENDS" | "SETITEM" | "SETITEMS":
                    _put_into(self.stack[-1], list if name.startswith("APPEND") else dict, items)
                case "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                    if argument not in (None, len(self.memo)):
                        raise InputError("refused: it does not number its values in turn")
                    self.memo.append(self.stack[-1])
                case "BINGET" | "LONG_BINGET":
                    self.stack.append(_shared(self.memo[argument]))
                case "GLOBAL":
                    self.stack.append(_named(*(self.file.readline().decode()[:-1] for _ in range(2))))
                case "STACK_GLOBAL":
                    self.stack.append(_named(*items))
                case "REDUCE":
                    self.stack.append(self.called(*items))
                case "BUILD":
                    self.stack.append(self.built(*items))
                case "STOP":
                    (value,) = self.stack
                    return value.value if type(value) is _Note else value
                case _:
                    raise InputError(f"refused: it has the pickle instruction {name}, which arrays do not need")
        raise InputError(f"refused: it has more than {MAX_INSTRUCTIONS} pickle instructions")

    def take(self, number):
        """Take the last items from the stack, or all since the last MARK; number : see `TAKES`."""
        if number == 0:
            items, self.stack = self.stack, self.outer_stacks.pop()
        else:
            items = self.stack[-number:]
            del self.stack[-number:]
        return items

    def called(self, function, arguments):
        """What comes of calling a function of NAMES."""
        match getattr(function, "what", None), arguments:
            case "encode", (str(text), str(encoding)) if encoding == "latin1":
                self.bytes_left -= len(text)  # the text may be shared
                if self.bytes_left < 0:
                    raise InputError("refused: its values need more bytes than the file has")
                return text.encode("latin1")
            case "dtype", (str(code), *_) if re.fullmatch("O[48]|[biufcSU][1-9][0-9]{0,8}", code):
                return _Note("a dtype", np.dtype(code))
            case "_reconstruct", _:
                return _Note("an array")
            case "scalar", (_Note(what="a dtype", value=dtype), bytes(content)):
                return _array((), dtype, content, "C")[()]
        raise InputError("refused: a call that arrays do not need, or an array of a type that is not allowed")

    @staticmethod
    def built(note, state):
        """What comes of giving a called note its state."""
        match getattr(note, "what", None), state:
            case "a dtype", (int(), str(byte_order), *_) if byte_order in ("<", ">", "|", "="):
                note.value = note.value.newbyteorder(byte_order)
                return note
            case "an array", (int(), (), _Note(what="a dtype", value=dtype), _, [dict(content)]) if dtype.hasobject:
                note.value = content  # this is the array of Python objects that np.save puts around a dict: no value
                return note
            case "an array", (int(), tuple(shape), _Note(what="a dtype", value=dtype), bool(fortran), bytes(content)):
                return _array(shape, dtype, content, "F" if fortran else "C")
        raise InputError("refused: the state of an array or of its type is not one that NumPy writes")


def _array(shape, dtype, content, order):
    """An array of numbers, booleans or strings, read-only: it does not copy its bytes."""
    if dtype.hasobject or len(shape) > 4 or not all(type(size) is int and size >= 0 for size in shape):
        raise InputError("refused: an array of objects inside, or one of impossible shape")
    array = np.ndarray(shape, dtype, content, order=order)
    if array.nbytes != len(content):
        raise InputError("refused: an array that has other bytes than its shape and type need")
    return array


def _are_values(items):
    """Whether no item is a note, or a tuple with one in it."""
    return not any(type(item) in (_Note, _Arguments) for item in items)


def _shared(value):
    """A value that the pickle refers to once more. Raises InputError if it is one that may stand in one place only."""
    # Python itself has every empty bytes and every single byte only once.
    if type(value) is str or type(value) is bytes and len(value) <= 1:
        return value
    if type(value) is _Note and value.what != "an array":
        return value
    raise InputError("refused: it has the same list, tuple, dict, bytes or array in two places")


def _put_into(container, kind, items):
    """Put items into a list, or keys and values by turns into a dict; kind : which of the two it must be."""
    if type(container) is not kind or not _are_values(items):
        raise InputError("refused: it puts something into what is no list or dict, or what is no value into one")
    if kind is list:
        container.extend(items)
    elif all(type(key) is str for key in items[::2]):
        container.update(zip(items[::2], items[1::2], strict=True))
    else:
        raise InputError("a dict in it has a key that is not a str")


def _named(module, name):
    """A note of something that is named. Raises InputError if an array does not need it."""
    if type(module) is not str or type(name) is not str:
        raise InputError("refused: it names something by what is not a name")
    if (module, name) not in NAMES:
        raise InputError(f"refused: it names {f'{module}.{name}'[:40]!r}, which could run code")
    return _Note(name)
