"""`.npy` dictionaries: they come back as they were saved, and no code is run from them."""

import os
import pickle

import numpy as np
import pytest

from datasets.networks import load_parameters
from datasets.npy import load_dict, save_dict
from datasets.user_input import InputError

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
    write_npy(tmp_path / "a.npy", content)
    assert_same(load_dict(tmp_path / "a.npy"), values)


def rename_module(content, old, new):
    """Rename a module in a pickle; protocol 4 gives the length of a name before it, and frames, which are optional."""
    full = [old + b".multiarray", new + b".multiarray"]
    if content[1] < 4:
        return content.replace(*full)
    content = content.replace(*(bytes([len(name)]) + name for name in full))
    assert content[2:3] == b"\x95"
    return content[:2] + content[11:]


def write_npy(path, content):
    """Put a pickle into a .npy file, behind the header of an object array of no dimensions."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(content)


class Call:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("function, arguments", [
    (os.system, ("touch {0}",)), (eval, ("open({0!r}, 'w')",)), (exec, ("open({0!r}, 'w')",)), (open, ("{0}", "w")),
    (getattr, ("{0}", "encode")), (np.load, ("{0}",)), (np.fromfile, ("{0}",)),
])
def test_malicious_pickles_are_refused_by_name_and_do_not_run(tmp_path, function, arguments):
    touched = tmp_path / "touched"
    attack = Call(function, *(a.format(str(touched)) if isinstance(a, str) else a for a in arguments))
    for content in (np.array({"W1": attack}, dtype=object), np.array([attack, 0], dtype=object)[:1].reshape(()),
                    {"W1": attack}, attack):
        write_npy(tmp_path / "a.npy", pickle.dumps(content, 4))
        with pytest.raises(InputError, match=r"a\.npy: refused: it names \S+, which could run code"):
            load_dict(tmp_path / "a.npy")
    assert not touched.exists()


def test_inner_arrays_of_objects_and_other_content_are_refused(tmp_path):
    for value in ({"W1": np.array([None, {}], dtype=object)}, {"W1": {1, 2}}, {1: 2}, [1], {"W1": np.ndarray}):
        write_npy(tmp_path / "a.npy",
                  pickle.dumps(np.array(value, dtype=object).reshape(()) if value != [1] else value))
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


def test_original_files_load(original):
    assert load_dict(original / "data.npy")["learning_rate"] == 0.035
    costs = load_dict(original / "parameters.npy")["costs"]
    assert len(costs) == 4000 and costs[0].shape == () and round(float(costs[0]), 8) == 0.71261024
    for name in ("parameters.npy", "prun_parameters39.npy"):
        trusted = np.load(original / name, allow_pickle=True).item()
        for key, value in load_parameters(original / name, 10800).items():
            assert np.array_equal(value, trusted[key])
