"""Networks on disk: the `.npy` files of training and pruning, and the small `.npz` of an exported network."""

import io

import numpy as np

import nn_functions as nn
from datasets.files import write_atomically
from datasets.npy import load_dict, save_dict
from datasets.user_input import InputError, as_input_error

VECTORS = {"layers": "<i8", "connections": "|u1", "weights": "<f4", "biases": "<f8"}  # of an exported network


def load_parameters(path, n_x, outputs=1):
    """Read a network that `save_parameters` or `export_parameters` wrote.

    Returns a dict `W1, b1, ..., WL, bL` of float64 arrays.

    n_x, outputs : the numbers of inputs and outputs that the data has; the network must have as many
    Raises InputError, or OSError.
    """
    with open(path, "rb") as file:
        exported = file.read(4) == b"PK\x03\x04"  # as every zip file begins
    stored = _load_exported(path) if exported else load_dict(path)
    parameters = {}
    size = n_x
    for l in range(1, sum(name.startswith("W") for name in stored) + 1):
        for name in (f"W{l}", f"b{l}"):
            value = stored.get(name)
            if not isinstance(value, np.ndarray) or value.ndim != 2 or value.dtype.kind not in "fiu":
                raise InputError(f"{path}: {name} is missing or is not a matrix of real numbers")
            with np.errstate(all="ignore"):  # of long double there are numbers too large for float64, and none at all
                parameters[name] = value.astype(float)
            if not np.isfinite(parameters[name]).all():
                raise InputError(f"{path}: {name} holds NaN, infinity, or a number too large for float64")
        rows, columns = parameters[f"W{l}"].shape
        if rows == 0 or columns != size:
            raise InputError(f"{path}: W{l} has shape {(rows, columns)}, but {size} inputs come to it")
        if parameters[f"b{l}"].shape != (rows, 1):
            raise InputError(f"{path}: b{l} has shape {parameters[f'b{l}'].shape}, not {(rows, 1)}")
        size = rows
    if not parameters:
        raise InputError(f"{path}: not a network W1, b1, ..., WL, bL")
    if size != outputs:
        raise InputError(f"{path}: is a network with {size} outputs; {outputs} must be")
    return parameters


def save_parameters(path, parameters, costs):
    """Write a network and its costs as the original experiment did: the dict `W1, b1, ..., WL, bL, costs`."""
    save_dict(path, {**parameters, "costs": costs})


def export_parameters(path, parameters):
    """Write what survived of a pruned network as a `.npz` of four arrays, not compressed.

    layers : n_x and the number of units of each layer, int64
    connections : a bit for each weight, layer by layer and row by row, 1 where it is not 0, as np.packbits packs them
    weights : those weights, float32; biases : all biases, float64

    Raises InputError if a weight is too large for float32.
    """
    if not np.isfinite(_weights_float32(parameters)).all():
        raise InputError(f"{path}: cannot be written, a weight is too large for float32")
    write_atomically(path, lambda file: file.write(_exported(parameters)))


def exported_size(parameters):
    """How many bytes `export_parameters` writes."""
    return len(_exported(parameters))


def _exported(parameters):
    """The bytes of an exported network."""
    weights = _weights_float32(parameters)
    biases = np.concatenate([parameters[f"b{l}"].ravel() for l in range(1, nn.number_of_layers(parameters) + 1)])
    content = io.BytesIO()
    np.savez(content, layers=np.array(nn.layer_sizes(parameters), np.int64), connections=np.packbits(weights != 0),
             weights=weights[weights != 0], biases=biases.astype(np.float64))
    return content.getvalue()


@np.errstate(over="ignore")
def _weights_float32(parameters):
    """All weights, layer by layer and row by row; infinite where they are too large for float32."""
    layers = range(1, nn.number_of_layers(parameters) + 1)
    return np.concatenate([parameters[f"W{l}"].ravel() for l in layers]).astype(np.float32)


def _load_exported(path):
    """Read what `export_parameters` wrote. Raises InputError."""
    with open(path, "rb") as file, as_input_error(path, "an exported network"):
        with np.load(file, allow_pickle=False) as archive:
            if sorted(archive.files) != sorted(VECTORS):
                raise InputError(f"does not hold the four arrays {', '.join(VECTORS)}")
            vectors = [archive[name] for name in VECTORS]
        for vector, (name, dtype) in zip(vectors, VECTORS.items()):
            if vector.ndim != 1 or vector.dtype != dtype:
                raise InputError(f"{name} has shape {vector.shape} and type {vector.dtype}; one dimension and type "
                                 f"{np.dtype(dtype)} were expected")
        layers, connections, weights, biases = vectors
        sizes = layers.tolist()
        shapes = list(zip(sizes[1:], sizes[:-1]))
        number = sum(rows * columns for rows, columns in shapes)
        if (len(sizes) < 2 or min(sizes) < 1 or len(connections) != -(-number // 8)
                or len(biases) != sum(sizes[1:])):
            raise InputError(f"its connections or biases are not those of a network of layers {str(sizes[:9])[1:-1]}")
        nonzero = np.unpackbits(connections, count=number).view(bool)
        if nonzero.sum() != len(weights):
            raise InputError(f"holds {len(weights)} weights for {nonzero.sum()} connections")
        dense = np.zeros(number)
        dense[nonzero] = weights
        parameters = {}
        for l, (rows, columns) in enumerate(shapes, start=1):
            W, dense = np.split(dense, [rows * columns])
            b, biases = np.split(biases, [rows])
            parameters[f"W{l}"], parameters[f"b{l}"] = W.reshape(rows, columns), b.reshape(rows, 1)
        return parameters
