"""Files made to do harm: each is refused quickly, in one short line, and no code is run. `fuzz.py` makes more."""

import copyreg
import ctypes
import functools
import os
import pickle
import signal
import struct
import tracemalloc

import numpy as np
import pytest

from datasets.npy import load_dict
from datasets.user_input import InputError

from .audit import code_forbidden
from .conftest import needs_posix
from .test_npy import Call, write_npy

pytestmark = needs_posix  # the alarm that ends a load that hangs


def load(function, *arguments):
    """What a loader makes of a file, or None if it raises InputError. Anything else fails, 5 seconds too."""

    def too_slow(*_):
        raise SystemExit("it hangs")

    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(5)
    try:
        with code_forbidden():
            return function(*arguments)
    except InputError as error:
        assert len(str(error)) < 400 and "\n" not in str(error)
        return None
    finally:
        signal.alarm(0)


# -------------------------------------------------------------------------------------------------- pickle attacks

def named(module, name):
    """The instructions that name something: protocol 4's, which takes dots apart."""
    return b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name)) + b"\x93"


def text(words):
    return b"\x8c" + bytes([len(words)]) + words.encode()


def whole(instructions):
    """A pickle of {"W1": what the instructions leave on the stack}."""
    return b"\x80\x04}" + text("W1") + instructions + b"s."


RECONSTRUCT = named("numpy._core.multiarray", "_reconstruct")
NDARRAY = named("numpy", "ndarray")
FLOAT64 = named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R(K\x03" + text("<") + (
    b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
OBJECT = FLOAT64.replace(text("f8"), text("O8")).replace(text("<"), text("|"))
EMPTY = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"  # an array whose state is to come


def array(shape, dtype, content):
    return EMPTY + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


# What is compared, hashed, copied or printed without a look at its type first never comes to an end, comes too deep,
# or is printed whole: a tuple of 2^60 items in 420 bytes (it holds all that it is made from, so that nothing is left on
# the stack below it), a tuple of tuples, and a long text.
WIDE = b"()\x94" + b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x94" for i in range(60)) + b"t"
DEEP = b")" + b"\x85" * 20_000
LONG = b"X" + struct.pack("<I", 500_000) + b"9" * 500_000


def places(value):
    """Pickles with a value in each place where something else belongs."""
    numbers = array(b"K\x01\x85", FLOAT64, b"C\x08" + bytes(8))
    return {
        "module": value + text("dtype") + b"\x93",
        "name": text("numpy") + value + b"\x93",
        "text": named("_codecs", "encode") + value + text("latin2") + b"\x86R",
        "encoding": named("_codecs", "encode") + text("x") + value + b"\x86R",
        "arguments": named("_codecs", "encode") + value + b"R",
        "shape": array(value, FLOAT64, b"C\x08" + bytes(8)),
        "size": array(value + b"\x85", FLOAT64, b"C\x08" + bytes(8)),
        "bytes": array(b"K\x01\x85", FLOAT64, value),
        "order": numbers.replace(b"\x89C\x08", value + b"C\x08"),
        "type": array(b"K\x01\x85", value, b"C\x08" + bytes(8)),
        "type code": numbers.replace(text("f8"), value),
        "type code of what is no type": numbers.replace(text("f8"), value).replace(text("dtype"), text("ndarray")),
        "byte order": numbers.replace(text("<"), value),
        "state of a type": named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R" + value + b"b",
        "state": EMPTY + value + b"b",
        "scalar": named("numpy._core.multiarray", "scalar") + FLOAT64 + value + b"\x86R",
        "function": value + b")R",
        "stateful": value + b")b",
        "list": value + b"Na",
        "dict": value + text("x") + b"Ns",
        "key": b"}" + value + b"\x85Ns",
        "object": b"\x85" + array(b")", OBJECT, b"]" + value + b"a"),
    }


ATTACKS = {
    "os.system": whole(named("os", "system") + text("touch touched") + b"\x85R"),
    "posix.system": whole(named("posix", "system") + text("touch touched") + b"\x85R"),
    "protocol 0": b"cos\nsystem\n(S'touch touched'\ntR.",
    "eval": whole(named("builtins", "eval") + text("open('touched', 'w')") + b"\x85R"),
    "exec": whole(named("builtins", "exec") + text("open('touched', 'w')") + b"\x85R"),
    "open": whole(named("builtins", "open") + text("touched") + text("w") + b"\x86R"),
    "getattr": whole(named("builtins", "getattr") + NDARRAY + text("tofile") + b"\x86R"),
    "import": whole(named("builtins", "__import__") + text("os") + b"\x85R"),
    "numpy.load": whole(named("numpy", "load") + text("a.npy") + b"\x85R"),
    "numpy.fromfile": whole(named("numpy", "fromfile") + text("a.npy") + b"\x85R"),
    "numpy.memmap": whole(named("numpy", "memmap") + text("touched") + b"\x85R"),
    "functools.partial": whole(named("functools", "partial") + NDARRAY + b"\x85R"),
    "ctypes": whole(named("ctypes", "string_at") + b"K\x00\x85R"),
    "ctypes pointer": whole(named("ctypes", "memmove") + b"K\x00K\x00K\x01\x87R"),
    "operator": whole(named("operator", "attrgetter") + text("__class__") + b"\x85R"),
    "dotted name": whole(named("numpy._core.multiarray", "_reconstruct.__globals__")),
    "dotted class": whole(named("numpy", "ndarray.__subclasses__") + b")R"),
    "renamed module": whole(named("numpy._corenumpy._core.multiarray", "scalar")),
    "old class instance": b"\x80\x02(ios\nsystem\n.",
    "object from the stack": whole(b"(" + named("os", "system") + text("touch touched") + b"o"),
    "new object": whole(NDARRAY + b"M\xff\xff\x85\x81"),
    "new object with keywords": whole(NDARRAY + b")}\x92"),
    "extension": whole(b"\x82\xf0"),
    "persistent id": whole(text("x") + b"Q"),
    "named but not called": whole(NDARRAY),
    "dtype as a value": whole(FLOAT64),
    "array without a state": whole(EMPTY),
    "array called twice": whole(EMPTY + b")R"),
    "a list that is called": whole(b"])R"),
    "a string with a state": whole(text("x") + b"}b"),
    "objects inside": whole(array(b"K\x01\x85", OBJECT, b"]Na")),
    "objects inside objects": whole(array(b"K\x01\x85", OBJECT, b"]" + array(b"K\x01\x85", OBJECT, b"]Na") + b"a")),
    "a pointer as an object": whole(array(b"K\x01\x85", OBJECT, b"C\x08" + bytes(8))),
    "an object as a number": whole(named("numpy._core.multiarray", "scalar") + OBJECT + b"C\x08" + bytes(8) + b"\x86R"),
    "too few bytes": whole(array(b"J\xff\xff\xff\x7f\x85", FLOAT64, b"C\x08" + bytes(8))),
    "too many bytes": whole(array(b"K\x01\x85", FLOAT64, b"C\x10" + bytes(16))),
    "a negative shape": whole(array(b"J\xff\xff\xff\xff\x85", FLOAT64, b"C\x08" + bytes(8))),
    "a huge shape of nothing": whole(array(b"J\xff\xff\xff\x7f\x85", FLOAT64.replace(text("f8"), text("U0")),
                                           b"C\x00")),
    "structured dtype": whole(array(b"K\x01\x85", FLOAT64.replace(text("f8"), text("f8,O")), b"C\x08" + bytes(8))),
    "huge bytes": whole(b"\x8e" + struct.pack("<Q", 1 << 60)),
    "huge text": whole(b"\x8d" + struct.pack("<Q", 1 << 60)),
    "huge byte array": whole(b"\x96" + struct.pack("<Q", 1 << 40)),
    "memo without end": whole(b"Nr\xff\xff\xff\xff0N")[:-1] + b"0.",
    "memo of nothing": whole(b"h\x07"),
    "stack below its end": b"\x80\x040000.",
    "marks without end": b"\x80\x04" + b"(" * 100_000 + b".",
    "nothing left": b"\x80\x04.",
    "two left": b"\x80\x04NN.",
    "no end": b"\x80\x04}",
    "bytes shared by many arrays": whole(b"](C\x80" + bytes(128) + b"\x94" + array(b"K\x10\x85", FLOAT64,
                                                                                   b"h\x00") * 99 + b"e"),
    "a name with escapes": whole(named("\x1b[31m", "os")),
    "a name with backslashes": whole(b"cn\\@\n\\d\n"),
    "number as a key": b"\x80\x04}K\x01Ns.",
    "tuples in tuples as a key": b"\x80\x04})" + b"\x85" * 300_000 + b"Ns.",
    "a deep tuple as a module": whole(text("numpy") + b")" + b"\x85" * 300_000 + b"\x93"),
    "a list in itself": whole(b"]\x94h\x00a"),
    "a dict in itself": whole(b"}\x94" + text("a") + b"h\x00s"),
    "a list in two places": whole(b"](]\x94h\x00e"),
    "an array in two places": whole(b"](" + EMPTY + b"\x94" + array(b"K\x01\x85", FLOAT64, b"C\x08" + bytes(8))[
        len(EMPTY):] + b"h\x00e"),
    "a value that is numbered out of turn": whole(text("x") + b"q\x07"),
    "5 dimensions": whole(array(b"(" + b"K\x01" * 5 + b"t", FLOAT64, b"C\x08" + bytes(8))),
    "a type without an end": whole(named("numpy", "dtype") + LONG.replace(b"9", b"S", 1) + b"\x89\x88\x87R"),
    "a number of a million digits": whole(b"\x8b" + struct.pack("<i", 415_000) + b"\x7f" * 415_000),
    "a decimal number of a million digits": whole(b"L" + b"9" * 1_000_000 + b"L\n"),
    "a float of a million letters": whole(b"F" + b"x" * 1_000_000 + b"\n"),
    "a name of a million letters": whole(b"c" + b"x" * 1_000_000 + b"\ny\n"),
    "two million instructions": whole(b"N\x94" * 1_000_000),
    **{f"{kind} in place of {place}": whole(instructions)
       for kind, value in (("wide", WIDE), ("deep", DEEP), ("long", LONG))
       for place, instructions in places(value).items()},
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_npy(tmp_path / "a.npy", ATTACKS[name])
    assert load(load_dict, tmp_path / "a.npy") is None
    # And as the content of the array that np.save puts around a dict.
    if ATTACKS[name].startswith(b"\x80\x04"):
        write_npy(tmp_path / "a.npy", b"\x80\x04" + array(b")", OBJECT, b"]" + ATTACKS[name][2:-1] + b"a") + b".")
        assert load(load_dict, tmp_path / "a.npy") is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_what_the_attacks_are_made_of_is_right(tmp_path):
    """The same building blocks, put together without malice, do load."""
    value = array(b"K\x02\x85", FLOAT64, b"C\x10" + struct.pack("<dd", 0.5, 2))
    scalar = named("numpy._core.multiarray", "scalar") + FLOAT64 + b"C\x08" + struct.pack("<d", 3) + b"\x86R"
    content = whole(value)[:-1] + text("b1") + scalar + b"s."
    write_npy(tmp_path / "a.npy", b"\x80\x04" + array(b")", OBJECT, b"]" + content[2:-1] + b"a") + b".")
    loaded = load_dict(tmp_path / "a.npy")
    assert np.array_equal(loaded["W1"], [0.5, 2]) and loaded["b1"] == 3 and isinstance(loaded["b1"], np.float64)


def test_registered_extensions_are_not_used(tmp_path):
    copyreg.add_extension("os", "system", 240)
    try:
        for value in (Call(os.system, "touch touched"), [Call(functools.partial, ctypes.string_at)]):
            write_npy(tmp_path / "a.npy", pickle.dumps({"W1": value}, 4))
            assert load(load_dict, tmp_path / "a.npy") is None
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_text_is_not_made_to_bytes_without_end(tmp_path):
    """150 kB that take 1 GB: a text of 100 kB, made to bytes 10,000 times."""
    long_text = b"X" + struct.pack("<I", 100_000) + b"9" * 100_000
    memo = b"".join(item + b"\x94" for item in (named("_codecs", "encode"), long_text, text("latin1")))
    write_npy(tmp_path / "a.npy", whole(b"](" + memo + b"\x86R" + b"h\x00h\x01h\x02\x86R" * 10_000 + b"e"))
    tracemalloc.start()
    try:
        assert load(load_dict, tmp_path / "a.npy") is None
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("header", [
    "{'descr': '|O', 'fortran_order': False, 'shape': (" + "1, " * 3000 + "), }", "(" * 9000, "-" * 9000 + "1",
    "{'descr': '|O', 'fortran_order': False, 'shape': '\\d', }", "__import__('os').system('touch touched')"])
def test_headers_that_no_dict_has_are_refused(header, tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n"
                                     + pickle.dumps({}, 4))
    assert load(load_dict, tmp_path / "a.npy") is None


def test_deep_values_are_read(tmp_path):
    write_npy(tmp_path / "a.npy", whole(b"]" * 100_000 + b"a" * 99_999))
    assert isinstance(load(load_dict, tmp_path / "a.npy")["W1"], list)
