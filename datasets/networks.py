"""Networks on disk: the `.npy` files of training and pruning, and the small `.npz` of an exported network."""

import contextlib
import io
import os
import re

import numpy as np

import nn_functions as nn
from datasets.files import sha256, write_atomically
from datasets.npy import load_dict, save_dict
from datasets.user_input import InputError, as_input_error

ARRAYS = ("layers", "gaps", "weights", "biases")  # of an exported network
BITS = range(1, 33)  # that a gap may have
NAME = re.compile("[Wb][1-9][0-9]*")  # of a layer's weights and biases


def load_parameters(path, n_x, outputs=1):
    """Read a network that `save_parameters`, `export_parameters`, or `np.savez(file, W1=..., b1=..., ...)` wrote.

    Returns a dict `W1, b1, ..., WL, bL` of float64 arrays. Other keys are left out; a bias may have shape (n_l,), too.

    n_x, outputs : the numbers of inputs and outputs that the data has; the network must have as many
    Raises InputError, or OSError.
    """
    with open(path, "rb") as file:
        exported = file.read(4) == b"PK\x03\x04"  # as every zip file begins
    stored = load_exported(path) if exported else load_dict(path)
    parameters, size = {}, n_x
    for l in range(1, 1 + sum(name[0] == "W" for name in filter(NAME.fullmatch, stored))):
        W, b = (_matrix(path, name, stored.get(name)) for name in (f"W{l}", f"b{l}"))
        if len(W) == 0 or W.shape[1] != size:
            way_on = "; (units, inputs) must be" if len(W) == size else (
                "; name its pictures with --data, or another network" if l == 1 else "")
            raise InputError(f"{path}: W{l} has shape {W.shape}, but {size} inputs come to it{way_on}")
        if b.shape != (len(W), 1):
            raise InputError(f"{path}: b{l} has shape {b.shape}, not {(len(W), 1)}")
        parameters |= {f"W{l}": W, f"b{l}": b}
        size = len(W)
    if not parameters:
        raise InputError(f"{path}: not a network W1, b1, ..., WL, bL, but {', '.join(stored)[:200]!r}")
    if size != outputs:
        raise InputError(f"{path}: is a network with {size} outputs; {outputs} must be")
    return parameters


def _matrix(path, name, stored):
    """What is stored as W or b of a layer as a finite float64 matrix, a copy. Raises InputError."""
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "fiu" or stored.ndim not in (1, 2):
        raise InputError(f"{path}: {name} is missing or is not a matrix of real numbers")
    matrix = stored.astype(float)
    if not np.isfinite(matrix).all():
        raise InputError(f"{path}: {name} holds NaN or infinity")
    return matrix if matrix.ndim == 2 else matrix[:, None]


def load_training(path):
    """How a network was trained: the dict in the data.npy beside it; empty if that is missing, or has other costs."""
    with contextlib.suppress(InputError, OSError):
        training = load_dict(os.path.join(os.path.dirname(path), "data.npy"))
        if np.array_equal(training.get("costs"), load_dict(path).get("costs", [])):
            return training
    return {}


def load_start(path, parameters):
    """The parameters that a training started from, drawn again, and how: None and None where that is not known."""
    training = load_training(path)
    if training.get("init") is None:
        return None, None
    return nn.initialize_parameters(nn.layer_sizes(parameters), training["seed"], training["init"]), training["init"]


def other_data(path, data_file):
    """A line if a network is known to be trained on another data set than that of a file, or else None."""
    trained_on = load_training(path).get("data")
    with contextlib.suppress(InputError, OSError, KeyError, TypeError):  # of a step's network the record knows
        record = load_dict(os.path.join(os.path.dirname(path), os.pardir, "degree_costs.npy"))
        trained_on = record["run"]["data"] if sha256(path) in record["networks"] else trained_on
    if trained_on in (None, sha256(data_file)):
        return None
    return f"{path}: was trained on another data set than {data_file}"


def save_parameters(path, parameters, costs):
    """Write a network and its costs as the original experiment did: the dict `W1, b1, ..., WL, bL, costs`."""
    save_dict(path, {**parameters, "costs": costs})


def export_parameters(path, parameters):
    """Write what survived of a pruned network as a `.npz` of four arrays, not compressed (section 5).

    layers : (L, 4), int64: for each layer the rows and columns of its W, the bits of its gaps, and its entries: the
        weights that are not 0, row by row, and filler zeros. Layers need not chain, as those of convolutions do not
    gaps : (bytes,), uint8: how many zeros stand between each entry and the one before it; the bits of all entries,
        the highest of each first, as np.packbits packs them
    weights : (entries,), float32; biases : (rows,), float32: those of all layers

    Raises InputError if a number is too large for float32, or OSError.
    """
    arrays = exported_arrays(parameters)
    if not (np.isfinite(arrays["weights"]).all() and np.isfinite(arrays["biases"]).all()):
        raise InputError(f"{path}: cannot be written, a weight or bias is too large for float32")
    write_atomically(path, lambda file: np.savez(file, **arrays))


def exported_size(parameters):
    """How many bytes `export_parameters` writes."""
    content = io.BytesIO()
    np.savez(content, **exported_arrays(parameters))
    return len(content.getbuffer())


def index_storage(parameters):
    """The bits of a gap in each layer of an exported network, a list; and the overhead (section 5).

    The overhead is what gaps and fillers take, in percent of the weights that are left, 32 bits each.
    """
    arrays = exported_arrays(parameters)
    bits, entries = arrays["layers"].T[2:]
    left = 32 * np.count_nonzero(arrays["weights"])
    return bits.tolist(), 100 * (entries @ (bits + 32) - left) / max(left, 1)


@np.errstate(over="ignore")  # numbers that are too large become infinite
def exported_arrays(parameters):
    """The arrays of `export_parameters`, a dict."""
    layers, gaps, weights, biases = [], [], [], []
    for l in range(1, nn.number_of_layers(parameters) + 1):
        W = parameters[f"W{l}"].astype("<f4")
        bits, layer_gaps, entries = _relative_indices(W.ravel())
        layers.append((*W.shape, bits, len(entries)))
        gaps.append((layer_gaps[:, None] >> np.arange(bits)[::-1] & 1).ravel())
        weights.append(entries)
        biases.append(parameters[f"b{l}"].astype("<f4").ravel())
    return {"layers": np.array(layers, "<i8"), "gaps": np.packbits(np.concatenate(gaps)),
            "weights": np.concatenate(weights), "biases": np.concatenate(biases)}


def _relative_indices(weights):
    """The bits, gaps and entries of a layer; as many bits as make gaps and entries together smallest.

    With b bits, a filler and the 2^b - 1 zeros before it stand for 2^b zeros.
    """
    places = np.flatnonzero(weights)
    zeros = np.diff(places, prepend=-1) - 1  # before each weight that is not 0
    bits = min(BITS, key=lambda b: ((zeros >> b) + 1).sum() * (b + 32))
    ends = np.cumsum((zeros >> bits) + 1) - 1  # where these weights stand among the entries, after their fillers
    gaps = np.full(ends[-1] + 1 if len(ends) else 0, 2**bits - 1)
    entries = np.zeros(len(gaps), "<f4")
    gaps[ends], entries[ends] = zeros % 2**bits, weights[places]
    return bits, gaps, entries


def load_exported(path):
    """Read what `export_parameters` wrote: a dict `W1, b1, ..., WL, bL` of float32 arrays.

    Or what `np.savez` wrote, with None for each array of another name.

    Whether layers chain and numbers are finite is the caller's to check. Raises InputError, or OSError.
    """
    with open(path, "rb") as file, as_input_error(path, "an exported network"), np.load(file) as archive:
        stored = {name: archive[name] if name in ARRAYS or NAME.fullmatch(name) else None for name in archive.files}
        return _decoded(*(stored[name] for name in ARRAYS)) if {*ARRAYS} <= stored.keys() else stored


def _decoded(layers, gaps, weights, biases):
    """The network of these arrays, see `export_parameters`. InputError, or one of NumPy's, if they do not fit."""
    rows, _, bits, n = layers.T
    if (len(gaps), len(weights), len(biases)) != (-(-(bits @ n) // 8), n.sum(), rows.sum()):
        raise InputError("not an exported network, or a damaged one: its arrays do not fit together")
    parameters, gaps = {}, np.unpackbits(gaps)
    for l, (rows, columns, bits, n) in enumerate(layers.tolist(), start=1):
        (gap, gaps), (w, weights), (b, biases) = map(np.split, (gaps, weights, biases), ([n * bits], [n], [rows]))
        W = np.zeros(rows * columns, np.float32)
        W[np.cumsum(gap.reshape(n, bits) @ 2 ** np.arange(bits)[::-1] + 1) - 1] = w
        parameters[f"W{l}"], parameters[f"b{l}"] = W.reshape(rows, columns), b.reshape(rows, 1)
    return parameters
