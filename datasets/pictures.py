"""Data sets of pictures, HDF5."""

import contextlib
from typing import NamedTuple

import h5py
import numpy as np

from datasets.user_input import InputError, as_input_error

CONVERTER = "python -m datasets.make_carvnocar --hdf5 FILE --out NEW.h5 converts the layouts of others"


class Data(NamedTuple):
    """A data set: X of shape (n_x, m), and Y of shape (1, m), 1 = car, 0 = no car, or one-hot of shape (K, m).

    X is in floating point, pixels from 0 to 1; or uint8, from 0 to 255.
    """

    X_train: np.ndarray
    Y_train: np.ndarray
    X_test: np.ndarray
    Y_test: np.ndarray
    notes: tuple = ()  # lines of text about the data that a user should see


def load_data(path, scale=True, report=print):
    """Read a data set such as `datasets/carvnocar.h5`. Returns a `Data`. Raises InputError, or OSError.

    scale : whether pictures of uint8, 0 to 255, become float64, 0 to 1, which take eight times the memory

    Pictures are uint8, or floating-point numbers from 0 to 1 or from 0 to 255; a note tells which of the two was
    assumed. Labels stored as (m,), (m, 1) or (1, m) are all read.
    """
    with open_hdf5(path) as file:
        train, test = _stored_pictures(file, "train"), _stored_pictures(file, "test")
        if (train.shape[1:], train.dtype) != (test.shape[1:], test.dtype):
            raise InputError(f"pictures of two kinds: {train.shape[1:]} {train.dtype} in X_train, "
                             f"{test.shape[1:]} {test.dtype} in X_test")
        if train.dtype != np.uint8 and train.dtype.kind != "f":
            raise InputError(f"X_train holds {train.dtype}, neither uint8 nor floating-point numbers; {CONVERTER}")
        Y_train, Y_test = _stored_labels(file, "train", len(train)), _stored_labels(file, "test", len(test))
        train, test = train[()], test[()]
        max_pixel, other = _max_pixel(train, "X_train"), _max_pixel(test, "X_test")
        if max_pixel != other:
            raise InputError(f"X_train holds values from 0 to {max_pixel}, X_test from 0 to {other}; "
                             "both must have the same scale")
    notes = []
    if train.dtype != np.uint8:
        notes.append(f"{path}: the pictures are {train.dtype}, taken as values from 0 to {max_pixel}")
    if Y_train.min() == Y_train.max():
        notes.append(f"warning: {path}: every label in y_train is {Y_train.min():.0f}")
    for note in notes:
        report(note)
    if train.dtype == np.uint8 and not scale:
        return Data(as_columns(train), Y_train, as_columns(test), Y_test)
    return Data(scale_pictures(train, max_pixel), Y_train, scale_pictures(test, max_pixel), Y_test)


def commoner_label(data):
    """What saying always the commoner label of the training pictures is worth; data : a `Data`.

    Returns a text, for example 'always "no car"', and the accuracy of that on the training and test pictures, percent.
    """
    label = int(data.Y_train.mean() > 0.5)
    shares = (float(100 * np.mean(label == Y)) for Y in (data.Y_train, data.Y_test))
    return ('always "no car"', 'always "car"')[label], *shares


def picture_shape(path):
    """The shape of one picture of a data set, (height, width, 3) in pixels. Raises InputError."""
    with open_hdf5(path) as file:
        return _stored_pictures(file, "train").shape[1:]


def scale_pictures(pictures, max_pixel=255):
    """Turn pictures, (m, height, width, 3) and 0 to `max_pixel`, into the network's input X, (n_x, m) and 0 to 1.

    X is float64, whatever the pictures are.
    """
    return np.divide(as_columns(pictures), max_pixel, dtype=float)


def as_columns(pictures):
    """Pictures, (m, height, width, 3), as columns, (n_x, m): the same memory."""
    return pictures.reshape(len(pictures), np.prod(pictures.shape[1:])).T


@contextlib.contextmanager
def open_hdf5(path):
    """Open an HDF5 file to read, an `h5py.File`; any error meanwhile becomes an InputError that names the file."""
    with open(path, "rb"):  # what is missing or a folder is an OSError; h5py's own message for it is very long
        pass
    with as_input_error(path, "an HDF5 file"), h5py.File(path, "r") as file:
        yield file


def list_arrays(file):
    """The arrays that lie in an open HDF5 file itself, also in its groups, a dict from name to `h5py.Dataset`."""
    arrays = {}
    file.visititems(lambda name, item: arrays.update({name: item} if isinstance(item, h5py.Dataset) else {}))
    return {name: array for name, array in arrays.items() if not array.external and not array.is_virtual}


def describe_arrays(file):
    """The same as a text: "x (40, 8, 10, 3) uint8, y (40,) int64"."""
    return ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in list_arrays(file).items())[:400]


def _stored_array(file, name):
    """The array `name` of an open HDF5 file: an `h5py.Dataset` of numbers. Raises InputError.

    HDF5 can point into other files, which are not read.
    """
    if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
        raise InputError(f"has no array {name} of its own, but {describe_arrays(file) or 'no arrays'}; {CONVERTER}")
    stored = file[name]
    if stored.external or stored.is_virtual:
        raise InputError(f"{name} lies in other files; the data must be in the file itself")
    if stored.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {stored.dtype}, not numbers; {CONVERTER}")
    return stored


def _stored_pictures(file, part):
    """The pictures of one part, "train" or "test", as an HDF5 data set of the right shape. Raises InputError."""
    stored = _stored_array(file, f"X_{part}")
    if len(stored.shape or ()) != 4 or stored.shape[3] != 3 or 0 in stored.shape:
        raise InputError(f"X_{part} has shape {stored.shape}; (number, height, width, 3) was expected; {CONVERTER}")
    return stored


def _stored_labels(file, part, number):
    """The labels of one part with so many pictures, (1, m). Raises InputError."""
    stored = _stored_array(file, f"y_{part}")
    if stored.shape not in ((number,), (number, 1), (1, number)):
        raise InputError(f"y_{part} has shape {stored.shape} for {number} pictures; {CONVERTER}")
    labels = stored[()]
    others = np.setdiff1d(labels, (0, 1))
    if others.size:
        raise InputError(f"y_{part} holds other values than 0 and 1: {', '.join(map(str, others[:5]))}; "
                         f"{CONVERTER}, with --car VALUE")
    return labels.reshape(1, -1).astype(float)


def _max_pixel(pictures, name):
    """The value of a white pixel in the pictures of one part, 1 or 255. Raises InputError.

    Interpolation leaves values slightly above 1; with none above 2 the pictures would be black if 255 were white.
    """
    low, high = pictures.min(), pictures.max()
    if pictures.dtype == np.uint8 and high > 1:
        return 255
    if pictures.dtype == np.uint8:
        raise InputError(f"{name} holds uint8 up to {high}, which are black pictures where 255 is white; {CONVERTER}")
    if not (low >= 0 and high <= 255):  # NaN is neither: minimum and maximum hand it on
        raise InputError(f"{name} holds values from {low} to {high}, not from 0 to 1 or 0 to 255")
    return 1 if high <= 2 else 255
