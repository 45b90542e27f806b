"""Networks on disk: what is refused, and what is exported."""

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
    ({"layers": np.array([50.0, 5, 4, 1])}, "layers has shape .4,. and type float64; one dimension and type int64"),
    ({"connections": np.zeros(35, np.uint8)}, "weights for 0 connections"),
    ({"connections": None}, "does not hold the four arrays layers, connections, weights, biases"),
    ({"more": np.ones(3)}, "does not hold the four arrays layers, connections, weights, biases"),
    ({"weights": np.zeros((3, 2), np.float32)}, r"weights has shape \(3, 2\)"),
    ({"biases": np.zeros(9)}, "are not those of a network of layers"),
    ({"biases": np.full(10, np.nan)}, "b1 holds NaN"),
    ({"weights": np.array([None, "x"], object)}, "not an exported network, or a damaged one .Object arrays cannot be"),
    ({"layers": np.full(100_000, 2**62)}, "network of layers (4611686018427387904, ){8}4611686018427387904$"),
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


@pytest.mark.parametrize("size", [4, 100, 700, -60, -1])
def test_cut_exported_networks_are_refused(tmp_path, size):
    content = export(tmp_path / "a.npz", pruned_network()).read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:size])
    with pytest.raises(InputError, match="a.npz: not an exported network, or a damaged one"):
        load_parameters(tmp_path / "a.npz", 50)


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
