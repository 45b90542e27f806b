"""Networks on disk: what is refused, and what is exported."""

import numpy as np
import pytest

import nn_functions as nn
import prun_mask
from datasets.files import sha256
from datasets.networks import (
    export_parameters,
    exported_size,
    index_storage,
    load_exported,
    load_parameters,
    load_start,
    other_data,
    save_parameters,
)
from datasets.npy import save_dict
from datasets.user_input import InputError


@pytest.mark.parametrize("change, what", [
    ({"W2": None, "W3": np.ones((1, 5))}, "W2 is missing"), ({"b1": None}, "b1 is missing"),
    ({"W1": np.ones((5, 12), complex)}, "W1 is missing or is not a matrix of real numbers"),
    ({"W2": np.full((1, 5), np.nan)}, "W2 holds NaN"), ({"b1": np.ones((4, 1))}, "b1 has shape (4, 1)"),
    ({"W1": np.ones((12, 5))}, "W1 has shape (12, 5), but 12 inputs come to it; (units, inputs) must be"),
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


def pruned_network(density=0.2):
    parameters = nn.initialize_parameters((50, 5, 4, 1), 1)
    random = np.random.RandomState(2)
    for name in ("W1", "W2"):
        parameters[name] *= random.rand(*parameters[name].shape) < density
    return parameters


@pytest.mark.parametrize("density", [0, 0.2])
def test_an_exported_network_comes_back_rounded_to_float32(tmp_path, density):
    parameters = pruned_network(density)
    parameters["W1"][0, 0] = 1e-60  # 0 in float32: no connection any more
    path = export(tmp_path / "no ending", parameters)
    loaded = load_parameters(path, 50)
    assert list(loaded) == list(parameters) and all(value.dtype == np.float64 for value in loaded.values())
    assert all(np.array_equal(loaded[name], value.astype(np.float32)) for name, value in parameters.items())
    assert export(tmp_path / "again", loaded).read_bytes() == path.read_bytes()


def matrix(places, shape=(10, 400)):
    """A layer that is not 0 at some places, counted row by row."""
    W = np.zeros(shape)
    W.flat[places] = np.arange(1, len(places) + 1)
    return {"W1": W, "b1": np.ones((shape[0], 1))}


@pytest.mark.parametrize("places, table, gaps", [
    ([], [1, 0], []),
    ([0], [1, 1], [0]),
    ([3], [2, 1], [3]),
    ([3999], [12, 1], [3999]),  # one long gap costs fewer bits than fillers
    (range(4000), [1, 4000], [0] * 4000),
    # 0, then fillers at 2, 4 and 6, which leave out a 0 each, and the weight at 7; then no gaps at all
    ([0, *range(7, 200)], [1, 197], [0, 1, 1, 1, *[0] * 193]),
    (range(3, 4000, 4), [2, 1000], [3] * 1000),
    ([*range(3, 2000, 4), 2004], [2, 502], [3] * 501 + [0]),  # one 0 too many for two bits
])
def test_gaps_have_the_bits_that_make_a_layer_smallest(tmp_path, places, table, gaps):
    parameters = matrix(places)
    path = export(tmp_path / "a.npz", parameters)
    with np.load(path) as arrays:
        assert arrays["layers"].tolist() == [[10, 400, *table]]
        bits = np.unpackbits(arrays["gaps"], count=table[0] * table[1]).astype(str)
        assert [int("".join(gap), 2) for gap in bits.reshape(table[1], table[0])] == gaps
        assert arrays["weights"][arrays["weights"] != 0].tolist() == list(range(1, len(places) + 1))
    assert all(np.array_equal(load_exported(path)[name], value) for name, value in parameters.items())


def count_entries(W, bits):
    """The weights of a layer that are not 0, and the fillers before them, counted place by place."""
    entries = places = last = 0
    for weight in W.flat:
        places += 1
        if weight or places == 2**bits:
            entries, places = entries + 1, 0
        if weight:
            last = entries
    return last


@pytest.mark.parametrize("seed", range(4))
def test_size_and_overhead_are_those_of_the_formula(tmp_path, seed):
    """With layers that do not chain, as those of convolutions."""
    random, parameters, smallest, left = np.random.RandomState(seed), {}, [], 0
    for l in (1, 2, 3):
        W = random.randn(*random.randint(1, 60, 2))
        W *= random.rand(*W.shape) < 10 ** random.uniform(-3, 0)
        parameters |= {f"W{l}": W, f"b{l}": random.randn(len(W), 1)}
        smallest.append(min((count_entries(W, bits) * (bits + 32), bits) for bits in range(1, 15)))
        left += 32 * np.count_nonzero(W)
    path = export(tmp_path / "a.npz", parameters)
    biases = sum(len(parameters[f"b{l}"]) for l in (1, 2, 3))
    assert 0 < path.stat().st_size - sum(size for size, _ in smallest) / 8 - 4 * biases < 1200  # names and headers
    bits, overhead = index_storage(parameters)
    assert bits == [bits for _, bits in smallest]
    assert overhead == pytest.approx(100 * (sum(size for size, _ in smallest) - left) / max(left, 1))
    loaded = load_exported(path)
    assert all(np.array_equal(loaded[name], value.astype(np.float32)) for name, value in parameters.items())


def test_a_number_too_large_for_float32_is_not_exported(tmp_path):
    parameters = pruned_network()
    parameters["b2"][0, 0] = 1e39
    with pytest.raises(InputError, match="a.npz: cannot be written, a weight or bias is too large for float32"):
        export_parameters(tmp_path / "a.npz", parameters)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [
    {"layers": [[5, 50, 3, 1]]}, {"layers": [[0, 0, 1, 0]]}, {"layers": [50, 5, 4, 1]}, {"weights": np.zeros(1, "f4")},
    {"gaps": np.zeros(3, np.uint8)}, {"gaps": np.full(1000, 255, np.uint8)}, {"biases": np.zeros((9, 1), "f4")}])
def test_arrays_that_are_no_exported_network_are_refused(tmp_path, change):
    with np.load(export(tmp_path / "a.npz", pruned_network())) as arrays:
        np.savez(tmp_path / "b.npz", **{**arrays, **change})
    with pytest.raises(InputError, match="b.npz: not an exported network, or a damaged one"):
        load_parameters(tmp_path / "b.npz", 50)


def test_a_damaged_exported_network_is_refused(tmp_path):
    """A zip file has a checksum of each array."""
    content = bytearray(export(tmp_path / "a.npz", pruned_network()).read_bytes())
    content[content.index(np.float32(pruned_network()["b1"][0, 0]).tobytes())] ^= 255
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(InputError, match="b.npz: not an exported network, or a damaged one .Bad CRC"):
        load_parameters(tmp_path / "b.npz", 50)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, lambda path, **arrays: np.save(path, arrays)])
def test_networks_that_numpy_saved_are_read(save, tmp_path):
    """With biases of shape (n,), and with other keys, of which one holds what could run code."""
    parameters = nn.initialize_parameters((12, 5, 1), 1)
    other = {"W1_mask": np.ones((5, 12), bool), "Weird": np.ones(3), "W": np.ones((2, 2)), "b": np.ones(3),
             "best": np.ones((9, 9)), "learning_rate": 0.1, "W03": np.ones((1, 1))}
    if save in (np.savez, np.savez_compressed):
        other["W_note"] = np.array({"a": 1}, object)
    save(tmp_path / "p.npz", **{name: value[:, 0] if name[0] == "b" else value for name, value in parameters.items()},
         **other)
    (saved,) = tmp_path.iterdir()  # np.save adds an ending
    loaded = load_parameters(saved, 12)
    assert list(loaded) == list(parameters)
    assert all(np.array_equal(loaded[name], value) for name, value in parameters.items())


def test_what_is_no_network_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", W1=np.ones((1, 12)), b1=np.ones(1), layers=[12, 1], weights=np.ones(3))
    assert set(load_parameters(tmp_path / "a.npz", 12)) == {"W1", "b1"}
    np.savez(tmp_path / "a.npz", w1=np.ones((1, 12)), kernel=np.ones(1))
    save_dict(tmp_path / "a.npy", {"parameters": {}, "costs": []})
    for name, names in (("a.npz", "w1, kernel"), ("a.npy", "parameters, costs")):
        with pytest.raises(InputError, match=f"{name}: not a network W1, b1, ..., WL, bL, but '{names}'$"):
            load_parameters(tmp_path / name, 12)


@pytest.mark.parametrize("kind", [np.float16, np.longdouble, np.int8, ">f8"])
def test_numbers_of_any_real_type_are_read(tmp_path, kind):
    save_parameters(tmp_path / "p.npy", {"W1": np.arange(12).reshape(1, 12).astype(kind), "b1": np.ones((1, 1))}, [])
    W1 = load_parameters(tmp_path / "p.npy", 12)["W1"]
    assert W1.dtype == np.dtype("=f8") and W1.tolist() == [list(range(12))] and W1.flags.writeable


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


def test_a_network_of_another_data_set_is_known_by_what_lies_beside_it(small_data, tmp_path):
    start = nn.initialize_parameters((144, 3, 1), 7, "he")
    for costs, data, expected in (([1.0], sha256(small_data), None), ([1.0], "another", small_data),
                                  ([2.0], "another", None), ([1.0], None, None)):  # of another training; not known
        save_parameters(tmp_path / "p.npy", start, [1.0])
        save_dict(tmp_path / "data.npy", {"costs": costs, "data": data, "init": "he", "seed": 7})
        line = f"{tmp_path / 'p.npy'}: was trained on another data set than {expected}"
        assert other_data(tmp_path / "p.npy", small_data) == (expected and line)
    drawn, init = load_start(tmp_path / "p.npy", start)
    assert init == "he" and all(np.array_equal(drawn[name], start[name]) for name in start)
