"""`.npy` dictionaries: they come back as they were saved, and no code is run from them."""

import copyreg
import ctypes
import functools
import operator
import os
import pickle
import struct

import numpy as np
import pytest

from datasets.networks import load_parameters
from datasets.npy import load_dict, save_dict
from datasets.user_input import InputError

from . import fuzz
from .fuzz import (
    DEEP,
    EMPTY,
    FLOAT64,
    LONG,
    NDARRAY,
    OBJECT,
    ONE_NUMBER,
    SCALAR,
    WIDE,
    Call,
    array,
    named,
    npy,
    text,
    whole,
)

VALUES = {
    "matrix": np.arange(6.0).reshape(2, 3), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "float32": np.ones(3, np.float32), "big_endian": np.arange(3, dtype=">i4"), "bool": np.array([True, False]),
    "empty": np.zeros((0, 4)), "zero_d": [np.array(0.5), np.array(0.25)], "scalar": np.float64(2.5),
    "text": np.array(["a", "bcd"]), "none": None, "number": 3, "list": [1, (2.5, "x"), {"y": True}], "bytes": b"\xff\0",
}


def assert_same(loaded, value):
    assert type(loaded) is type(value)
    if isinstance(value, dict):
        assert list(loaded) == list(value)
        for key in value:
            assert_same(loaded[key], value[key])
    elif isinstance(value, (list, tuple)):
        assert len(loaded) == len(value)
        for one, other in zip(loaded, value):
            assert_same(one, other)
    elif isinstance(value, (np.ndarray, np.generic)):
        assert loaded.dtype == value.dtype and loaded.shape == value.shape and np.array_equal(loaded, value)
    else:
        assert loaded == value


def test_dict_comes_back_as_it_was_saved(tmp_path):
    save_dict(tmp_path / "a.npy", VALUES)
    loaded = load_dict(tmp_path / "a.npy")
    assert_same(loaded, VALUES)
    assert not loaded["matrix"].flags.writeable  # the bytes may be shared
    trusted = np.load(tmp_path / "a.npy", allow_pickle=True).item()
    assert_same({**trusted, "big_endian": VALUES["big_endian"]}, VALUES)  # NumPy itself turns the bytes round


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("module", [b"numpy.core", b"numpy._core"])
def test_dicts_of_numpy_1_and_2_and_of_older_protocols_load(tmp_path, module, protocol):
    values = {key: value for key, value in VALUES.items() if key != "empty"}  # protocol 2 writes b"" as a call
    content = pickle.dumps(np.array(values, dtype=object), protocol)
    for name in (b"numpy.core", b"numpy._core"):
        if name != module and name in content:  # write it as the other NumPy would have
            content = rename_module(content, name, module)
    (tmp_path / "a.npy").write_bytes(npy(content))
    assert_same(load_dict(tmp_path / "a.npy"), values)


def rename_module(content, old, new):
    """Rename a module in a pickle; protocol 4 gives the length of a name before it, and frames, which are optional."""
    full = [old + b".multiarray", new + b".multiarray"]
    if content[1] < 4:
        return content.replace(*full)
    content = content.replace(*(bytes([len(name)]) + name for name in full))
    assert content[2:3] == b"\x95"
    return content[:2] + content[11:]


def test_inner_arrays_of_objects_and_other_content_are_refused(tmp_path):
    for value in ({"W1": np.array([None, {}], dtype=object)}, {"W1": {1, 2}}, {1: 2}, [1], {"W1": np.ndarray}):
        whole_value = np.array(value, dtype=object).reshape(()) if value != [1] else value
        (tmp_path / "a.npy").write_bytes(npy(pickle.dumps(whole_value)))
        with pytest.raises(InputError):
            load_dict(tmp_path / "a.npy")
    for write in (lambda f: np.save(f, np.ones(3)), lambda f: f.write(b""), lambda f: f.write(b"no numpy file")):
        with open(tmp_path / "a.npy", "wb") as file:
            write(file)
        with pytest.raises(InputError, match="a.npy: "):
            load_dict(tmp_path / "a.npy")


def test_cut_dicts_are_refused(tmp_path):
    save_dict(tmp_path / "a.npy", VALUES)
    content = (tmp_path / "a.npy").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "a.npy").write_bytes(content[:length])
        with pytest.raises(InputError, match="a.npy: "):
            load_dict(tmp_path / "a.npy")


# ------------------------------------------------------------------------------------------ files made to do harm

@pytest.mark.parametrize("function, arguments", [
    (os.system, ("touch touched",)), (eval, ("open('touched', 'w')",)), (exec, ("open('touched', 'w')",)),
    (open, ("touched", "w")), (getattr, ("touched", "encode")), (np.load, ("a.npy",)), (np.memmap, ("touched",)),
    (functools.partial, (np.ndarray,)), (operator.attrgetter, ("__class__",)), (ctypes.string_at, (0,)),
])
@pytest.mark.parametrize("extension", [False, True])
def test_what_is_named_is_refused_and_not_called(tmp_path, monkeypatch, function, arguments, extension):
    monkeypatch.chdir(tmp_path)
    if extension:
        copyreg.add_extension(function.__module__, function.__name__, 240)
    try:
        attack = Call(function, *arguments)
        for content in (np.array({"W1": attack}, object), {"W1": [attack]}, attack):
            (tmp_path / "a.npy").write_bytes(npy(pickle.dumps(content, 4)))
            with pytest.raises(InputError, match=r"a\.npy: refused: it (names \S+, which could|has the pickle.* EXT1)"):
                load_dict(tmp_path / "a.npy")
    finally:
        if extension:
            copyreg.remove_extension(function.__module__, function.__name__, 240)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def places(value):
    """Pickles with a value in each place where something else belongs."""
    encode = named("_codecs", "encode")
    return {
        "module": value + text("dtype") + b"\x93", "name": text("numpy") + value + b"\x93",
        "text": encode + value + text("latin2") + b"\x86R", "encoding": encode + text("x") + value + b"\x86R",
        "arguments": encode + value + b"R", "shape": array(value, FLOAT64, b"C\x08" + bytes(8)),
        "size": array(value + b"\x85", FLOAT64, b"C\x08" + bytes(8)), "bytes": array(b"K\x01\x85", FLOAT64, value),
        "order": ONE_NUMBER.replace(b"\x89C\x08", value + b"C\x08"),
        "type": array(b"K\x01\x85", value, b"C\x08" + bytes(8)), "type code": ONE_NUMBER.replace(text("f8"), value),
        "byte order": ONE_NUMBER.replace(text("<"), value),
        "state of a type": named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R" + value + b"b",
        "state": EMPTY + value + b"b", "scalar": SCALAR + FLOAT64 + value + b"\x86R", "function": value + b")R",
        "stateful": value + b")b", "list": value + b"Na", "dict": value + text("x") + b"Ns",
        "key": b"}" + value + b"\x85Ns", "object": b"\x85" + array(b")", OBJECT, b"]" + value + b"a"),
    }


ATTACKS = {
    "protocol 0": b"cos\nsystem\n(S'touch touched'\ntR.",
    "dotted name": whole(named("numpy._core.multiarray", "_reconstruct.__globals__")),
    "dotted class": whole(named("numpy", "ndarray.__subclasses__") + b")R"),
    "old class instance": b"\x80\x02(ios\nsystem\n.",
    "object from the stack": whole(b"(" + named("os", "system") + text("touch touched") + b"o"),
    "new object": whole(NDARRAY + b"M\xff\xff\x85\x81"),
    "new object with keywords": whole(NDARRAY + b")}\x92"),
    "persistent id": whole(text("x") + b"Q"),
    "named but not called": whole(NDARRAY),
    "dtype as a value": whole(FLOAT64),
    "array without a state": whole(EMPTY),
    "a list that is called": whole(b"])R"),
    "a string with a state": whole(text("x") + b"}b"),
    "objects inside": whole(array(b"K\x01\x85", OBJECT, b"]Na")),
    "a pointer as an object": whole(array(b"K\x01\x85", OBJECT, b"C\x08" + bytes(8))),
    "an object as a number": whole(SCALAR + OBJECT + b"C\x08" + bytes(8) + b"\x86R"),
    "too few bytes": whole(array(b"J\xff\xff\xff\x7f\x85", FLOAT64, b"C\x08" + bytes(8))),
    "too many bytes": whole(array(b"K\x01\x85", FLOAT64, b"C\x10" + bytes(16))),
    "a negative shape": whole(array(b"J\xff\xff\xff\xff\x85", FLOAT64, b"C\x08" + bytes(8))),
    "a huge shape of nothing": whole(array(b"J\xff\xff\xff\x7f\x85", FLOAT64.replace(text("f8"), text("U0")),
                                           b"C\x00")),
    "structured dtype": whole(array(b"K\x01\x85", FLOAT64.replace(text("f8"), text("f8,O")), b"C\x08" + bytes(8))),
    "5 dimensions": whole(array(b"(" + b"K\x01" * 5 + b"t", FLOAT64, b"C\x08" + bytes(8))),
    "huge bytes": whole(b"\x8e" + struct.pack("<Q", 1 << 60)),
    "memo without end": whole(b"Nr\xff\xff\xff\xff0N")[:-1] + b"0.",
    "stack below its end": b"\x80\x040000.",
    "marks without end": b"\x80\x04" + b"(" * 100_000 + b".",
    "two left": b"\x80\x04NN.",
    "a name with escapes": whole(named("\x1b[31m", "os")),
    "number as a key": b"\x80\x04}K\x01Ns.",
    "tuples in tuples as a key": b"\x80\x04})" + b"\x85" * 300_000 + b"Ns.",
    "a list in itself": whole(b"]\x94h\x00a"),
    "a dict in itself": whole(b"}\x94" + text("a") + b"h\x00s"),
    "a list in two places": whole(b"](]\x94h\x00e"),
    "an array in two places": whole(b"](" + EMPTY + b"\x94" + ONE_NUMBER[len(EMPTY):] + b"h\x00e"),
    "a text made to bytes again and again": whole(
        b"](" + b"".join(item + b"\x94" for item in (named("_codecs", "encode"), LONG, text("latin1"))) + b"\x86R"
        + b"h\x00h\x01h\x02\x86R" * 9 + b"e"),
    "a number of a million digits": whole(b"\x8b" + struct.pack("<i", 415_000) + b"\x7f" * 415_000),
    "a decimal number of a million digits": whole(b"L" + b"9" * 1_000_000 + b"L\n"),
    "a name of a million letters": whole(b"c" + b"x" * 1_000_000 + b"\ny\n"),
    "two million instructions": whole(b"N\x94" * 1_000_000),
    **{f"{kind} in place of {place}": whole(instructions)
       for kind, value in (("wide", WIDE), ("deep", DEEP), ("long", LONG))
       for place, instructions in places(value).items()},
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_in_one_short_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (ATTACKS[name],  # and as the content of the array that np.save puts around a dict
                    b"\x80\x04" + array(b")", OBJECT, b"]" + ATTACKS[name][2:-1] + b"a") + b"."):
        (tmp_path / "a.npy").write_bytes(npy(content))
        with pytest.raises(InputError) as error:
            load_dict("a.npy")
        assert len(str(error.value)) < 300 and "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_what_the_attacks_are_made_of_is_right(tmp_path):
    """The same building blocks, put together without malice, do load."""
    number = SCALAR + FLOAT64 + b"C\x08" + struct.pack("<d", 3) + b"\x86R"
    deep = b"]" * 100_000 + b"a" * 99_999
    content = whole(ONE_NUMBER)[:-1] + text("b1") + number + b"s" + text("W2") + deep + b"s."
    (tmp_path / "a.npy").write_bytes(npy(b"\x80\x04" + array(b")", OBJECT, b"]" + content[2:-1] + b"a") + b"."))
    loaded = load_dict(tmp_path / "a.npy")
    assert np.array_equal(loaded["W1"], [0]) and loaded["b1"] == 3 and isinstance(loaded["b1"], np.float64)
    assert isinstance(loaded["W2"], list)  # however deep it is


@pytest.mark.parametrize("header", ["{'descr': '|O', 'fortran_order': False, 'shape': (" + "1, " * 3000 + "), }",
                                    "(" * 9000, "__import__('os').system('touch touched')"])
def test_headers_that_no_dict_has_are_refused(header, tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n"
                                     + pickle.dumps({}, 4))
    with pytest.raises(InputError, match="a.npy: not a .npy file, or a damaged one .it does not begin with the header"):
        load_dict(tmp_path / "a.npy")


def test_files_made_by_hypothesis_are_read_or_refused():
    counts = fuzz.count_outcomes(300)
    assert counts.total() == 300 and min(counts["read"], counts["refused"]) > 20


def test_original_files_load(original):
    assert load_dict(original / "data.npy")["learning_rate"] == 0.035
    costs = load_dict(original / "parameters.npy")["costs"]
    assert len(costs) == 4000 and costs[0].shape == () and round(float(costs[0]), 8) == 0.71261024
    for name in ("parameters.npy", "prun_parameters39.npy"):
        trusted = np.load(original / name, allow_pickle=True).item()
        for key, value in load_parameters(original / name, 10800).items():
            assert np.array_equal(value, trusted[key])
