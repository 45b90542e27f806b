"""Networks on disk: what is refused, and what is exported."""

import warnings
import zipfile

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from datasets.networks import export_parameters, exported_size, load_parameters, save_parameters
from datasets.user_input import InputError

from .conftest import fail


@pytest.mark.parametrize("change, what", [
    ({"W2": None}, "outputs; 1 must be"), ({"W2": None, "W3": np.ones((1, 5))}, "W2 is missing"),
    ({"b1": None}, "b1 is missing"), ({"W1": np.ones((5, 9))}, "W1 has shape (5, 9)"),
    ({"b2": np.ones((4,))}, "b2"), ({"W2": np.full((1, 5), np.nan)}, "W2 holds NaN"), ({"W1": "text"}, "W1 is missing"),
    ({"b1": np.ones((4, 1))}, "b1 has shape (4, 1)"), ({"W1": np.ones((0, 12)), "b1": np.ones((0, 1))}, "W1 has shape"),
    ({"W2": np.ones((2, 5)), "b2": np.ones((2, 1))}, "outputs; 1 must be"),
    ({"W1": np.ones((5, 12), complex)}, "real"),
    ({"W1": np.ones((5, 12), bool)}, "real"), ({"W1": np.full((5, 12), np.longdouble("1e4000"))}, "W1 holds NaN, inf"),
])
def test_parameters_that_make_no_network_are_refused(tmp_path, change, what):
    parameters = {**nn.initialize_parameters((12, 5, 1), 1), **change}
    save_parameters(tmp_path / "p.npy", {k: v for k, v in parameters.items() if v is not None}, [])
    with pytest.raises(InputError) as error:
        load_parameters(tmp_path / "p.npy", 12)
    assert what in str(error.value) and "p.npy: " in str(error.value)


def export(path, parameters):
    export_parameters(path, parameters)
    assert path.stat().st_size == exported_size(parameters)
    return path


def pruned_network(share=0.2):
    parameters = nn.initialize_parameters((50, 5, 4, 1), 1)
    random = np.random.RandomState(2)
    for name in ("W1", "W2"):
        parameters[name] *= random.rand(*parameters[name].shape) < share
    return parameters


@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_an_exported_network_comes_back_with_weights_rounded_to_float32(tmp_path, share):
    parameters = pruned_network(share)
    parameters["W1"][0, 0] = 1e-60  # 0 in float32: no connection any more
    path = export(tmp_path / "no ending", parameters)
    parameters["W1"][0, 0] = 0
    loaded = load_parameters(path, 50)
    assert list(loaded) == list(parameters) and all(value.dtype == np.float64 for value in loaded.values())
    for name, value in parameters.items():
        assert np.array_equal(loaded[name], value.astype(np.float32) if name[0] == "W" else value)
    size = path.stat().st_size
    assert size < 1300 + 4 * sum((parameters[f"W{l}"] != 0).sum() for l in (1, 2, 3))
    assert export(tmp_path / "again", parameters).read_bytes() == path.read_bytes()


def test_a_weight_too_large_for_float32_is_not_exported(tmp_path):
    parameters = pruned_network()
    parameters["W2"][0, 0] = 1e39
    with pytest.raises(InputError, match="a.npz: cannot be written, a weight is too large for float32"):
        export_parameters(tmp_path / "a.npz", parameters)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes, what", [
    ({"layers": np.array([50, 5, 4, 2])}, "are not those of a network of layers"),
    ({"layers": np.array([50, -5, -4, 1])}, "are not those of a network of layers"),
    ({"layers": np.array([2**40, 2**40, 1])}, "are not those of a network of layers"),
    ({"layers": np.array([], np.int64)}, "are not those of a network of layers"),
    ({"layers": np.array([50.0, 5, 4, 1])}, "type <f8, not 4 numbers of type <i8"),
    ({"connections": np.zeros(35, np.uint8)}, "weights for 0 connections"),
    ({"connections": None}, "does not hold the four arrays layers, connections, weights, biases"),
    ({"more": np.ones(3)}, "does not hold the four arrays layers, connections, weights, biases"),
    ({"weights": np.zeros((3, 2), np.float32)}, r"weights has shape \(3, 2\)"),
    ({"biases": np.zeros(9)}, "are not those of a network of layers"),
    ({"biases": np.full(10, np.nan)}, "b1 holds NaN"),
    ({"weights": np.array([None, "x"], object)}, r"weights has shape \(2,\) and type |O"),
    ({"layers": np.full(100_000, 2**62)}, "network of layers (4611686018427387904, ){8}4611686018427387904$"),
    ({"layers": np.ones(1001, np.int64), "connections": np.zeros(125, np.uint8), "weights": np.zeros(0, np.float32),
      "biases": np.zeros(1000)}, "are not those of a network of layers"),
])
def test_files_that_are_no_exported_network_are_refused(tmp_path, changes, what):
    with np.load(export(tmp_path / "a.npz", pruned_network())) as whole:
        arrays = {**whole, **changes}
    np.savez(tmp_path / "b.npz", **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(InputError, match=f"b.npz: .*({what})"):
        load_parameters(tmp_path / "b.npz", 50)
    with pytest.raises(InputError, match="W1 has shape .5, 50., but 49 inputs come to it"):
        load_parameters(tmp_path / "a.npz", 49)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble, np.int8, ">f8"])
def test_numbers_of_any_real_type_are_read(tmp_path, kind):
    save_parameters(tmp_path / "p.npy", {"W1": np.arange(12).reshape(1, 12).astype(kind), "b1": np.ones((1, 1))}, [])
    W1 = load_parameters(tmp_path / "p.npy", 12)["W1"]
    assert W1.dtype == np.dtype("=f8") and W1.tolist() == [list(range(12))] and W1.flags.writeable


def repack(path, change):
    """Write the members of an exported network anew; change : takes the zip file and the members, a dict."""
    with zipfile.ZipFile(export(path, pruned_network())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that come twice
        change(archive, members)
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_network_that_was_packed_anew_is_read(tmp_path):
    loaded = load_parameters(repack(tmp_path / "a.npz", lambda archive, members: None), 50)
    assert all(value.flags.writeable for value in loaded.values())


@pytest.mark.parametrize("change, what", [
    (lambda archive, members: archive.writestr("layers.npy", members["layers.npy"]), "does not hold the four arrays"),
    (lambda archive, members: [archive.writestr(str(i), b"") for i in range(5000)], "more than the four arrays"),
    (lambda archive, members: members.update({"weights.npy": members["weights.npy"][:90]}), "header|shape"),
    (lambda archive, members: members.update({"layers.npy": b""}), "header"),
], ids=["a name that comes twice", "many members", "a short array", "no array"])
def test_zip_files_that_are_no_exported_network_are_refused(tmp_path, change, what):
    with pytest.raises(InputError, match=rf"a\.npz: .*({what})"):
        load_parameters(repack(tmp_path / "a.npz", change), 50)


@pytest.mark.parametrize("offset, value, what", [
    (8, b"\1", "compressed or encrypted"), (10, b"\x08", "compressed or encrypted"), (16, bytes(4), "Bad CRC-32"),
    (20, b"\xff\xff\xff\x7f" * 2, "damaged"), (24, b"\1\0\0\0", "damaged"), (42, b"\xff\xff\xff\x7f", "damaged"),
    (46, b"L", "does not hold the four arrays")])
def test_directories_that_lie_are_refused(tmp_path, offset, value, what):
    """offset : of the flags, the method, the check sum, a size, the place or the name in the record of a member"""
    path = export(tmp_path / "a.npz", pruned_network())
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2") + offset
    content[at:at + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.npz: .*({what})") as error:
        load_parameters(path, 50)
    assert len(str(error.value)) < 400


def test_a_name_is_not_quoted_at_any_length(tmp_path):
    path = export(tmp_path / "a.npz", pruned_network())
    content = bytearray(path.read_bytes())
    content[26:28] = b"\xff\xff"  # the length of the first member's name, where the member itself begins
    path.write_bytes(content + bytes(70_000))
    path.write_bytes(content[:200] + bytes(70_000) + content[200:])
    with pytest.raises(InputError) as error:
        load_parameters(path, 50)
    assert len(str(error.value)) < 400


def test_compressed_files_are_refused_before_they_are_unpacked(tmp_path):
    # 100 MB in 0.1 MB.
    np.savez_compressed(tmp_path / "bomb.npz", layers=np.array([10**8, 8, 1]), connections=np.zeros(10**8, np.uint8),
                        weights=np.zeros(0, np.float32), biases=np.zeros(9))
    with pytest.raises(InputError, match="is compressed"):
        load_parameters(tmp_path / "bomb.npz", 10**8)


def test_networks_of_k_outputs_are_saved_loaded_exported_and_compacted(tmp_path):
    random = np.random.RandomState(1)
    parameters = nn.initialize_parameters((12, 6, 5, 3), 1, "he")
    parameters["W1"][:, :4] = parameters["W2"][:, 2] = 0
    save_parameters(tmp_path / "a.npy", parameters, [])
    export_parameters(tmp_path / "a.npz", parameters)
    X = random.rand(12, 20)
    for name, tolerance in (("a.npy", 0), ("a.npz", 1e-6)):
        loaded = load_parameters(tmp_path / name, 12, 3)
        assert np.allclose(nn.predict(X, loaded), nn.predict(X, parameters), rtol=0, atol=tolerance)
        with pytest.raises(InputError, match=f"{name}: is a network with 3 outputs; 1 must be"):
            load_parameters(tmp_path / name, 12)
    pixels, small = prun_mask.compact(parameters)
    assert nn.layer_sizes(small) == [8, 5, 5, 3]
    assert np.allclose(nn.predict(X[pixels], small), nn.predict(X, parameters), rtol=0, atol=1e-12)


@pytest.mark.parametrize("script, option", [("pruning.py", "--parameters"), ("nn_test.py", "--parameters"),
                                            ("prun_parameters.py", "--parameters"), ("prun_parameters.py", "--pruned"),
                                            ("nn_main.py", "--start")])
def test_scripts_for_photos_refuse_a_network_of_k_outputs(script, option, tmp_path):
    save_parameters(tmp_path / "a.npy", nn.initialize_parameters((10800, 4, 10), 1), [])
    line = fail(script, option, tmp_path / "a.npy", "--figures", tmp_path / "f")
    assert line == f"{script}: {tmp_path / 'a.npy'}: is a network with 10 outputs; 1 must be"
