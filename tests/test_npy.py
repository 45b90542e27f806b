"""`.npy` dictionaries: they come back as they were saved, and no code is run from them."""

import copyreg
import functools
import os
import pickle

import numpy as np
import pytest

from datasets.networks import load_parameters
from datasets.npy import load_dict, save_dict
from datasets.user_input import InputError

FORTRAN = np.asfortranarray(np.arange(6.0).reshape(2, 3))
VALUES = {
    "matrix": np.arange(6.0).reshape(2, 3), "fortran": FORTRAN, "the same again": FORTRAN,
    "axes": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2), "float32": np.ones(3, np.float32),
    "big_endian": np.arange(3, dtype=">i4"), "bool": np.array([True, False]), "empty": np.zeros((0, 4)),
    "zero_d": [np.array(0.5), np.array(0.25)], "scalar": np.float64(2.5), "text": np.array(["a", "bcd"]),
    "none": None, "number": 3, "list": [1, (2.5, "x"), {"y": True}], "bytes": b"\xff\0",
}


def npy(content):
    """A .npy file that holds a pickle."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def assert_same(loaded, value):
    assert type(loaded) is type(value)
    if isinstance(value, dict):
        assert list(loaded) == list(value)
        for key in value:
            assert_same(loaded[key], value[key])
    elif isinstance(value, (list, tuple)):
        for one, other in zip(loaded, value, strict=True):
            assert_same(one, other)
    elif isinstance(value, (np.ndarray, np.generic)):
        assert loaded.dtype == value.dtype and loaded.shape == value.shape and np.array_equal(loaded, value)
    else:
        assert loaded == value


def test_dict_comes_back_as_it_was_saved(tmp_path):
    save_dict(tmp_path / "a.npy", VALUES)
    assert_same(load_dict(tmp_path / "a.npy"), VALUES)
    trusted = np.load(tmp_path / "a.npy", allow_pickle=True).item()
    assert_same({**trusted, "big_endian": VALUES["big_endian"]}, VALUES)  # NumPy itself turns the bytes round


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("old, new", [(b"numpy.core", b"numpy._core"), (b"numpy._core", b"numpy.core")])
def test_dicts_of_numpy_1_and_2_and_of_all_protocols_load(tmp_path, old, new, protocol):
    content = pickle.dumps(np.array(VALUES, dtype=object), protocol)
    if protocol > 3 and old in content:  # a name has its length before it; the frame has its own, and is optional
        content = content[:2] + content[11:]
        for name in (b".multiarray", b".numeric"):
            content = content.replace(*(bytes([len(core + name)]) + core + name for core in (old, new)))
    (tmp_path / "a.npy").write_bytes(npy(content.replace(old, new)))
    assert_same(load_dict(tmp_path / "a.npy"), VALUES)


def test_the_originals_files_load(original):
    assert load_dict(original / "data.npy")["learning_rate"] == 0.035
    costs = load_dict(original / "parameters.npy")["costs"]
    assert len(costs) == 4000 and costs[0].shape == () and round(float(costs[0]), 8) == 0.71261024
    for name in ("parameters.npy", "prun_parameters39.npy"):
        trusted = np.load(original / name, allow_pickle=True).item()
        for key, value in load_parameters(original / name, 10800).items():
            assert np.array_equal(value, trusted[key])


@pytest.mark.parametrize("value", [{"W1": np.array([None, {}], object)}, {"W1": {1, 2}}, {1: 2},
                                   {"W1": np.zeros(2, "f8,i4")}, "text"])
def test_other_values_are_refused(tmp_path, value):
    (tmp_path / "a.npy").write_bytes(npy(pickle.dumps(np.array(value, object))))
    with pytest.raises(InputError, match="a.npy: "):
        load_dict(tmp_path / "a.npy")


def test_what_is_no_dict_or_cut_is_refused(tmp_path):
    save_dict(tmp_path / "a.npy", VALUES)
    content = (tmp_path / "a.npy").read_bytes()
    np.save(tmp_path / "b.npy", np.ones(3))
    for wrong in ((tmp_path / "b.npy").read_bytes(), b"", content[:100], content[:-9]):
        (tmp_path / "a.npy").write_bytes(wrong)
        with pytest.raises(InputError, match="a.npy: ") as error:
            load_dict(tmp_path / "a.npy")
        assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------------ files made to do harm

class Call:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("function, arguments", [
    (os.system, ("touch touched",)), (eval, ("open('touched', 'w')",)), (getattr, ("touched", "encode")),
    (np.memmap, ("touched",)), (functools.partial, (np.ndarray,)),
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
            with pytest.raises(InputError, match=r"a\.npy: .*refused: it names \S+, which could run code"):
                load_dict(tmp_path / "a.npy")
    finally:
        if extension:
            copyreg.remove_extension(function.__module__, function.__name__, 240)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def text(words):
    return b"\x8c" + bytes([len(words)]) + words.encode()


def named(module, name):
    """The instructions that name something: protocol 4's, which takes dots apart."""
    return text(module) + text(name) + b"\x93"


NDARRAY, ENCODE = named("numpy", "ndarray"), named("_codecs", "encode")
FLOAT64 = named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R"
OBJECT = FLOAT64.replace(text("f8"), text("O8"))
SCALAR = named("numpy._core.multiarray", "scalar")
EMPTY = named("numpy._core.multiarray", "_reconstruct") + NDARRAY + b"K\x00\x85C\x01b\x87R"  # its state is to come


def array(shape, dtype, content):
    return EMPTY + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


ATTACKS = {
    "protocol 0": b"cos\nsystem\n(S'touch touched'\ntR",
    "dotted name": named("numpy._core.multiarray", "_reconstruct.__globals__"),
    "dotted class": named("numpy", "ndarray.__subclasses__") + b")R",
    "old class instance": b"(ios\nsystem\n",
    "object from the stack": b"(" + named("os", "system") + text("touch touched") + b"o",
    "new object": NDARRAY + b"M\xff\xff\x85\x81", "persistent id": text("x") + b"Q", "named but not called": NDARRAY,
    "called": NDARRAY + b")R", "dtype as a value": FLOAT64, "array without a state": EMPTY,
    "a function with another state": ENCODE + b"}" + text("call") + NDARRAY + b"sb",
    "a function with attributes": ENCODE + b"N}" + text("__defaults__") + b")s\x86b",
    "a dtype with another state": FLOAT64 + b"}" + text("value") + NDARRAY + b"sb",
    "an array with another state": EMPTY + b"N}" + text("value") + NDARRAY + b"s\x86b",
    "objects inside": array(b"K\x01\x85", OBJECT, b"]Na"),
    "a pointer as an object": array(b"K\x01\x85", OBJECT, b"C\x08" + bytes(8)),
    "a pointer as a number": SCALAR + OBJECT + b"C\x08" + bytes(8) + b"\x86R",
    "a pointer in a buffer": named("numpy._core.numeric", "_frombuffer") + b"(C\x08" + bytes(8) + OBJECT + b"K\x01\x85"
                             + text("C") + b"tR",
    "a structure with a pointer": array(b"K\x01\x85", FLOAT64.replace(text("f8"), text("f8,O")), b"C\x10" + bytes(16)),
    "too few bytes": array(b"J\xff\xff\xff\x7f\x85", FLOAT64, b"C\x08" + bytes(8)),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_in_one_short_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inside = b"}" + text("W1") + ATTACKS[name] + b"s"
    for instructions in (ATTACKS[name], inside, array(b")", OBJECT, b"]" + inside + b"a")):
        (tmp_path / "a.npy").write_bytes(npy(b"\x80\x04" + instructions + b"."))
        with pytest.raises(InputError) as error:
            load_dict("a.npy")
        assert len(str(error.value)) < 300 and "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_what_the_attacks_are_made_of_is_right(tmp_path):
    """The same building blocks, put together without malice, do load."""
    number = SCALAR + FLOAT64 + b"C\x08" + np.float64(3).tobytes() + b"\x86R"
    inside = b"}(" + text("W1") + array(b"K\x01\x85", FLOAT64, b"C\x08" + bytes(8)) + text("b1") + number + b"u"
    (tmp_path / "a.npy").write_bytes(npy(b"\x80\x04" + array(b")", OBJECT, b"]" + inside + b"a") + b"."))
    assert_same(load_dict(tmp_path / "a.npy"), {"W1": np.zeros(1), "b1": np.float64(3)})
