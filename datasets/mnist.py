"""MNIST: handwritten digits, 28x28 pixels each, in the IDX format. `python -m datasets.fetch_mnist` downloads them.

An IDX file is a header of big-endian integers of 4 bytes, and then the values, here of one byte each. The header is a
magic number and the sizes: number, rows, columns; or number. Fashion-MNIST and others have this format as well.
"""

import gzip
import hashlib
import math
import os
import shlex

import numpy as np

from datasets.pictures import Data
from datasets.user_input import PROJECT, InputError, as_input_error, default_path

MNIST = "datasets/mnist"
DIGITS = 10  # 0 to 9
SIZE = 28  # rows and columns of a picture
DIMENSIONS = {2051: 3, 2049: 1}  # of pictures and of labels, by magic number


def load_mnist(folder=MNIST, held_out=0):
    """Read MNIST from a folder of its four files, gzipped or not.

    held_out : with n > 0, the last n training digits stand in the place of the test digits, which are not read at all:
        settings are chosen on them, so that the test digits still are what no setting was chosen for
    Returns a `Data`: X of shape (784, m), uint8 from 0 to 255, one picture a column (a view of the pictures as they
    are stored), and Y of shape (10, m), float32, 1 at each picture's digit and 0 elsewhere.
    Raises InputError, or OSError.
    """
    X, Y = _read_part(folder, "train")
    if not held_out:
        return Data(X, Y, *_read_part(folder, "t10k"))
    rest = X.shape[1] - held_out
    if not 0 < rest < X.shape[1]:
        raise InputError(f"{folder}: {held_out} of its {X.shape[1]} training digits cannot be held out")
    return Data(X[:, :rest], Y[:, :rest], X[:, rest:], Y[:, rest:])


def _read_part(folder, part):
    """X and Y of one part, "train" or "t10k", as `load_mnist` returns them."""
    path, labels_path = find_file(folder, f"{part}-images-idx3-ubyte"), find_file(folder, f"{part}-labels-idx1-ubyte")
    pictures, labels = read_idx(path), read_idx(labels_path)
    if pictures.shape[1:] != (SIZE, SIZE):
        raise InputError(f"{path}: holds values of shape {pictures.shape}, not pictures of {SIZE} x {SIZE} pixels")
    if labels.shape != (len(pictures),) or labels.max() >= DIGITS:
        raise InputError(f"{labels_path}: holds values of shape {labels.shape} up to {labels.max()}, not a label from "
                         f"0 to 9 for each of the {len(pictures)} pictures")
    Y = np.zeros((DIGITS, len(labels)), np.float32)
    Y[labels, np.arange(len(labels))] = 1
    return pictures.reshape(len(pictures), -1).T, Y


def find_file(folder, name):
    """The path of one of the four files: also gzipped, also with a dot, train-images.idx3-ubyte. Raises InputError."""
    for file in (name, f"{name}.gz", name.replace("-idx", ".idx"), f"{name.replace('-idx', '.idx')}.gz"):
        if os.path.isfile(path := os.path.join(folder, file)):
            return path
    way_on = "all four files of a data set must be there, by their usual names"
    if folder in (MNIST, default_path(MNIST)):
        here = "" if os.getcwd() == PROJECT else f", in {PROJECT},"
        way_on = f"`python -m datasets.fetch_mnist`{here} gets it"
    elif not os.path.isdir(folder) or not os.listdir(folder):  # into which no digits come beside other pictures
        way_on = f"`python -m datasets.fetch_mnist --out {shlex.quote(str(folder))}` gets MNIST's"
    raise InputError(f"{folder}: has no {name}, gzipped or not; {way_on}")


def read_unpacked(path):
    """The bytes of a file, unpacked where it is gzipped. Raises InputError, or OSError."""
    with open(path, "rb") as file:
        content = file.read()
    if not content.startswith(b"\x1f\x8b"):  # as every gzip file does
        return content
    with as_input_error(path, "a gzip file"):
        return gzip.decompress(content)


def read_idx(path):
    """Read an IDX file, gzipped or not: uint8 of shape (m, rows, columns), or (m,). Raises InputError, or OSError."""
    content = read_unpacked(path)
    magic, *sizes = (int.from_bytes(content[i : i + 4], "big") for i in range(0, 16, 4))
    if magic not in DIMENSIONS:
        raise InputError(f"{path}: its magic number is {magic}, neither 2051 (pictures) nor 2049 (labels)")
    sizes = sizes[:DIMENSIONS[magic]]
    values = np.frombuffer(content, np.uint8)[4 + 4 * len(sizes):]
    if len(values) != math.prod(sizes) or not len(values):
        raise InputError(f"{path}: holds {len(values)} values, but its header says {' x '.join(map(str, sizes))}")
    return values.reshape(sizes)


def fingerprint(folder):
    """The sha256 of the digits in a folder, whatever the form of its files. Raises InputError."""
    digest = hashlib.sha256()
    for values in load_mnist(folder):
        digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()
