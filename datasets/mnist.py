"""MNIST: handwritten digits, 28x28 pixels each, in the IDX format. `python -m datasets.fetch_mnist` downloads them.

An IDX file is a header of big-endian integers of 4 bytes, and then the values, here of one byte each. The header is a
magic number, which says how many sizes follow, and these sizes:

    pictures    2051, number of pictures, rows, columns
    labels      2049, number of labels
"""

import math
import os
import shlex
import struct
import zlib

import numpy as np

from datasets.files import open_file
from datasets.pictures import Data
from datasets.user_input import InputError, as_input_error, default_path

MNIST = "datasets/mnist"
DIGITS = 10  # 0 to 9
SIZE = 28  # rows and columns of a picture
DIMENSIONS = {2051: 3, 2049: 1}  # by magic number
LARGEST = 48_000_000  # bytes, unpacked; the largest of the four files has 47,040,016
CHUNK = 1 << 14  # bytes; gzip packs a thousandth at best, so one chunk cannot become more than 16 MB


def load_mnist(folder=MNIST, held_out=0):
    """Read MNIST from a folder of its four files, gzipped or not.

    held_out : with 0, the training digits and the test digits are read. With n > 0, the last n training digits stand
        in the place of the test digits, which are not read at all: settings are chosen on them, so that the test
        digits still are what no setting was chosen for.
    Returns a `Data`: X of shape (784, m), uint8 from 0 to 255, one picture a column (a view of the pictures as they
    are stored, row by row), and Y of shape (10, m), float32, 1 at each picture's digit and 0 elsewhere.
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
    if labels.shape != (len(pictures),):
        raise InputError(f"{labels_path}: holds values of shape {labels.shape}, not a label for each of the "
                         f"{len(pictures)} pictures")
    Y = np.zeros((DIGITS, len(labels)), np.float32)
    Y[labels, np.arange(len(labels))] = 1
    return pictures.reshape(len(pictures), -1).T, Y


def find_file(folder, name):
    """The path of one of the four files, which may be gzipped. Raises InputError where there is none."""
    for path in (os.path.join(folder, name), os.path.join(folder, f"{name}.gz")):
        if os.path.exists(path):
            return path
    out = "" if folder in (MNIST, default_path(MNIST)) else f" --out {shlex.quote(str(folder))}"
    raise InputError(f"{folder}: has no {name}; `python -m datasets.fetch_mnist{out}` gets it")


def read_idx(path):
    """Read an IDX file of pictures or labels, gzipped or not.

    Returns uint8 of shape (m, rows, columns), or (m,) with values from 0 to 9. Raises InputError, or OSError.
    """
    with open_file(path) as file, as_input_error(path, "an IDX file"):
        return _parse(read_bytes(file))


def read_bytes(file):
    """The bytes of an open file, unpacked where it is gzipped, which its first two bytes tell. Raises InputError.

    At most LARGEST bytes are read, whatever the file's size is and whatever it unpacks to.
    """
    is_gzip = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if is_gzip:
        return unpack(file, LARGEST)
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InputError(f"is larger than {LARGEST} bytes")
    return content


def unpack(file, largest):
    """Unpack a gzipped file in memory, as far as `largest` bytes. Raises InputError, or zlib.error."""
    unpacker = zlib.decompressobj(wbits=31)  # 31: gzip's header and check sum
    content = bytearray()
    while not unpacker.eof:
        chunk = file.read(CHUNK)
        if not chunk:
            raise InputError("is cut off: the gzipped data does not end")
        content += unpacker.decompress(chunk, largest + 1 - len(content))
        if len(content) > largest:
            raise InputError(f"unpacks to more than {largest} bytes")
    if unpacker.unused_data or file.read(1):
        raise InputError("goes on after the end of the gzipped data")
    return content


def _parse(content):
    """The array that the bytes of an IDX file hold. Raises InputError."""
    if len(content) < 4:
        raise InputError(f"has only {len(content)} bytes, not an IDX file")
    magic = int.from_bytes(content[:4], "big")
    if magic not in DIMENSIONS:
        raise InputError(f"its magic number is {magic}, neither 2051 (pictures) nor 2049 (labels)")
    header = 4 + 4 * DIMENSIONS[magic]
    if len(content) < header:
        raise InputError(f"has only {len(content)} bytes, less than its header of {header}")
    sizes = struct.unpack(f">{DIMENSIONS[magic]}I", content[4:header])
    declared, size = " x ".join(map(str, sizes)), header + math.prod(sizes)
    if len(content) != size:
        raise InputError(f"has {len(content)} bytes, but a header that declares {declared} values, {size} bytes in all")
    if 0 in sizes:
        raise InputError(f"declares {declared} values, which is none")
    values = np.frombuffer(content, np.uint8, offset=header).reshape(sizes)
    if values.ndim == 1 and values.max() >= DIGITS:
        raise InputError(f"holds the label {values.max()}, not only 0 to 9")
    return values
