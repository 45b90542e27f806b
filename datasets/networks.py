"""Networks on disk: the `.npy` files of training and pruning, and the small `.npz` of an exported network."""

import io
import warnings
import zipfile

import numpy as np

import nn_functions as nn
from datasets.files import write_atomically
from datasets.npy import load_dict, save_dict
from datasets.user_input import InputError, as_input_error


def load_parameters(path, n_x):
    """Read a network that `save_parameters` or `export_parameters` wrote.

    Returns a dict `W1, b1, ..., WL, bL` of float64 arrays.

    n_x : the number of inputs that the data has; the network must have as many. Raises InputError.
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
            if not np.isfinite(value).all():
                raise InputError(f"{path}: {name} holds NaN or infinity")
            parameters[name] = value.astype(float)
        rows, columns = parameters[f"W{l}"].shape
        if rows == 0 or columns != size:
            raise InputError(f"{path}: W{l} has shape {(rows, columns)}, but {size} inputs come to it")
        if parameters[f"b{l}"].shape != (rows, 1):
            raise InputError(f"{path}: b{l} has shape {parameters[f'b{l}'].shape}, not {(rows, 1)}")
        size = rows
    if not parameters or size != 1:
        raise InputError(f"{path}: not a network W1, b1, ..., WL, bL with one output")
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
    """Read what `export_parameters` wrote. Raises InputError.

    Not with np.load, which would allocate whatever size a damaged or lying file declares. As nothing in the file is
    compressed and each weight takes a bit, the network is at most 64 times as large as the file.
    """
    with as_input_error(path, "an exported network"):
        with zipfile.ZipFile(path) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, of headers that Python 2 wrote
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise InputError("is compressed, which an exported network is not")
            layers, connections, weights, biases = (
                _vector(archive.read(f"{name}.npy"), dtype) for name, dtype in
                (("layers", "<i8"), ("connections", "|u1"), ("weights", "<f4"), ("biases", "<f8")))
        sizes = layers.tolist()
        shapes = list(zip(sizes[1:], sizes[:-1]))
        number = sum(rows * columns for rows, columns in shapes)
        if min(sizes, default=0) < 1 or len(connections) != -(-number // 8) or len(biases) != sum(sizes[1:]):
            raise InputError(f"its connections or biases are not those of a network of layers {sizes}")
        nonzero = np.unpackbits(connections, count=number).astype(bool)
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


def _vector(content, dtype):
    """The one-dimensional array of a given type in the bytes of a `.npy` file. Raises InputError, or ValueError."""
    file = io.BytesIO(content)
    np.lib.format.read_magic(file)
    shape, _, stored = np.lib.format.read_array_header_1_0(file)
    vector = np.frombuffer(content, dtype, offset=file.tell())
    if stored != np.dtype(dtype) or shape != vector.shape:
        raise InputError(f"holds an array of shape {shape} and type {stored} where {vector.shape} and {dtype} belong")
    return vector
