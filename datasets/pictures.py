"""Data sets of pictures, HDF5."""

import io
from typing import NamedTuple

import h5py
import numpy as np

from datasets.files import write_atomically
from datasets.user_input import InputError, as_input_error, default_path

NAMES = ("X_train", "y_train", "X_test", "y_test")  # of the arrays in a file


class Data(NamedTuple):
    """A data set: X of shape (n_x, m), and Y of shape (1, m), 1 = car, 0 = no car, or one-hot of shape (K, m).

    X is in floating point, pixels from 0 to 1; or uint8, from 0 to 255.
    """

    X_train: np.ndarray
    Y_train: np.ndarray
    X_test: np.ndarray
    Y_test: np.ndarray


def load_data(path, scale=True, report=print):
    """Read a data set as `save_data` writes it. Returns a `Data`. Raises InputError, or OSError.

    scale : whether pictures of uint8, 0 to 255, become float64, 0 to 1, which take eight times the memory
    report : called with each line of text about the data that a user should see
    """
    X_train, y_train, X_test, y_test = _read(path, NAMES)
    with _naming(path):
        max_pixel = _check(X_train, y_train, X_test, y_test)
    if X_train.dtype != np.uint8:
        report(f"{path}: the pictures are {X_train.dtype}, taken as values from 0 to {max_pixel}")
    Y_train, Y_test = (y.reshape(1, -1).astype(float) for y in (y_train, y_test))
    if Y_train.min() == Y_train.max():
        report(f"warning: {path}: every label in y_train is {Y_train.min():.0f}")
    if shared := count_shared(X_train, X_test):
        report(f"warning: {path}: {shared} of the {len(X_test)} test pictures are training pictures as well")
    if X_train.dtype == np.uint8 and not scale:
        return Data(as_columns(X_train), Y_train, as_columns(X_test), Y_test)
    return Data(scale_pictures(X_train, max_pixel), Y_train, scale_pictures(X_test, max_pixel), Y_test)


def save_data(path, X_train, y_train, X_test, y_test):
    """Write a data set that `load_data` reads, as HDF5.

    X_train, X_test : pictures, (m, height, width, 3); uint8 from 0 to 255, or floating point from 0 to 1 or to 255
    y_train, y_test : labels 0 and 1 (a car) of any type of number, (m,), (m, 1) or (1, m)
    Raises InputError, which is a ValueError, if they are not so; or OSError.
    """
    arrays = [np.asarray(array) for array in (X_train, y_train, X_test, y_test)]
    try:
        _check(*arrays)
    except InputError as error:
        raise InputError(f"{path}: not written: {error}") from error
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in zip(NAMES, arrays):
            if name[0] == "X":
                file.create_dataset(name, data=array, compression="gzip")
            else:
                file.create_dataset(name, data=array.reshape(-1, 1).astype(np.uint8))
    write_atomically(path, lambda file: file.write(content.getbuffer()))


def picture_shape(path):
    """The shape of one picture of a data set, (height, width, 3) in pixels. Raises InputError, or OSError."""
    (shape,) = _read(path, ["X_train"], lambda stored: stored.shape)
    with _naming(path):
        _check_shape("X_train", shape)
    return shape[1:]


def majority_class(data):
    """What predicting always the majority class of the training pictures is worth; data : a `Data`.

    Returns a text, for example 'always "no car"', and the accuracy of that on the training and test pictures, percent.
    """
    label = int(data.Y_train.mean() > 0.5)
    accuracies = (float(100 * np.mean(label == Y)) for Y in (data.Y_train, data.Y_test))
    return ('always "no car"', 'always "car"')[label], *accuracies


def count_shared(X_train, X_test):
    """How many test pictures are, to the pixel, training pictures as well; pictures of shape (m, height, width, 3)."""
    known = {hash(picture.tobytes()) for picture in X_train}
    return sum(hash(picture.tobytes()) in known for picture in X_test)


def scale_pictures(pictures, max_pixel=255):
    """Pictures, (m, height, width, 3), from 0 to `max_pixel`, as the network's input X, (n_x, m), float64, 0 to 1."""
    return np.divide(as_columns(pictures), max_pixel, dtype=float)


def as_columns(pictures):
    """Pictures, (m, height, width, 3), as columns, (n_x, m): the same memory."""
    return pictures.reshape(len(pictures), np.prod(pictures.shape[1:])).T


def _read(path, names, take=lambda stored: np.asarray(stored[()])):
    """Arrays of an HDF5 file, or what `take` takes of them, by their names. Raises InputError, or OSError."""
    open(path, "rb").close()  # what is missing or a folder is an OSError; h5py's own message for it is very long
    with _naming(path), h5py.File(path, "r") as file:
        stored = {}
        file.visititems(lambda name, item: stored.update({name: item} if isinstance(item, h5py.Dataset) else {}))
        if missing := [name for name in names if name not in stored]:
            holds = ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in stored.items())[:400]
            raise InputError(f"has no array {', '.join(missing)}, but {holds or 'no others'}")
        return [take(stored[name]) for name in names]


def _naming(path):
    """Give an error the name of the file that is no data set, and an InputError also the way on."""
    return as_input_error(path, "an HDF5 file", f"; {default_path('datasets/README.md')} says what a data set holds, "
                                                "and how to make one of other files")


def _check(X_train, y_train, X_test, y_test):
    """Check that arrays are a data set, see `save_data`. Returns the value of a white pixel. Raises InputError."""
    _check_shape("X_train", X_train.shape)
    _check_shape("X_test", X_test.shape)
    if (X_train.shape[1:], X_train.dtype) != (X_test.shape[1:], X_test.dtype):
        raise InputError(f"pictures of two kinds: {X_train.shape[1:]} {X_train.dtype} in X_train, {X_test.shape[1:]} "
                         f"{X_test.dtype} in X_test")
    for name, y, m in (("y_train", y_train, len(X_train)), ("y_test", y_test, len(X_test))):
        if y.shape not in ((m,), (m, 1), (1, m)) or y.dtype.kind not in "biuf":
            raise InputError(f"{name} has shape {y.shape} and type {y.dtype}, not a number for each of {m} pictures")
        others = np.setdiff1d(y, (0, 1))
        if others.size:
            raise InputError(f"{name} holds other values than 0 and 1: {', '.join(map(str, others[:5]))}")
    max_pixel, other = _max_pixel("X_train", X_train), _max_pixel("X_test", X_test)
    if max_pixel != other:
        raise InputError(f"X_train holds values from 0 to {max_pixel}, X_test from 0 to {other}; both must have the "
                         "same scale")
    return max_pixel


def _check_shape(name, shape):
    """Check that a shape is that of an array of pictures. Raises InputError."""
    if len(shape or ()) != 4 or shape[3] != 3 or 0 in shape:
        raise InputError(f"{name} has shape {shape}, not (number, height, width, 3)")


def _max_pixel(name, X):
    """The value of a white pixel in the pictures of one part, 1 or 255. Raises InputError.

    Interpolation leaves values slightly above 1; with none above 2 the pictures would be black if 255 were white.
    """
    if X.dtype != np.uint8 and X.dtype.kind != "f":
        raise InputError(f"{name} holds {X.dtype}, neither uint8 nor floating-point numbers")
    low, high = X.min(), X.max()
    if X.dtype == np.uint8 and high <= 1:
        raise InputError(f"{name} holds uint8 up to {high}, which are black pictures where 255 is white")
    if not (low >= 0 and high <= 255):  # NaN is neither: minimum and maximum hand it on
        raise InputError(f"{name} holds values from {low} to {high}, not from 0 to 1 or 0 to 255")
    return 255 if X.dtype == np.uint8 or high > 2 else 1
