"""Pictures: data sets (HDF5), folders of photos, and the labels of photos."""

import csv
import io
import os
import re
import sys
from typing import NamedTuple

import numpy as np

from datasets.files import open_file
from datasets.hdf5 import open_hdf5, stored_array
from datasets.photos import read_picture
from datasets.user_input import InputError, describe

PICTURE_ENDINGS = (".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tga",
                   ".tif", ".tiff", ".webp")
FOLDER_LABELS = {"car": 1, "nocar": 0}  # folders that tell the label of the pictures in them
LARGEST_LABELS_CSV = 10**7  # bytes


class Data(NamedTuple):
    """A data set: X of shape (n_x, m), pixels from 0 to 1, and Y of shape (1, m), 1 = car, 0 = no car; all float64.

    Or X of uint8, from 0 to 255, for `nn_functions.minibatch_descent`.
    """

    X_train: np.ndarray
    Y_train: np.ndarray
    X_test: np.ndarray
    Y_test: np.ndarray


# --------------------------------------------------------------------------------------------------- data sets

def load_data(path, scale=True):
    """Read a data set such as `datasets/carvnocar.h5`. Returns a `Data`. Raises InputError.

    scale : whether pictures of uint8, 0 to 255, become float64, 0 to 1, which take eight times the memory

    Pictures are uint8, or floating-point numbers from 0 to 1 or from 0 to 255; a line tells which of the two was
    assumed. Labels stored as (m,), (m, 1) or (1, m) are all read.
    """
    with open_hdf5(path) as file:
        train, test = _stored_pictures(file, "train"), _stored_pictures(file, "test")
        if (train.shape[1:], train.dtype) != (test.shape[1:], test.dtype):
            raise InputError(f"pictures of two kinds: {train.shape[1:]} {train.dtype} in X_train, "
                             f"{test.shape[1:]} {test.dtype} in X_test")
        if train.dtype != np.uint8 and train.dtype.kind != "f":
            raise InputError(f"X_train holds {train.dtype}, neither uint8 nor floating-point numbers")
        Y_train, Y_test = _stored_labels(file, "train", len(train)), _stored_labels(file, "test", len(test))
        train, test = train[()], test[()]
        max_pixel = _max_pixel(train, test)
    if train.dtype != np.uint8:
        print(f"{path}: the pictures are {train.dtype}, taken as values from 0 to {max_pixel}")
    if Y_train.min() == Y_train.max():
        print(f"warning: {path}: every label in y_train is {Y_train.min():.0f}", file=sys.stderr)
    if train.dtype == np.uint8 and not scale:
        return Data(_as_columns(train), Y_train, _as_columns(test), Y_test)
    return Data(scale_pictures(train, max_pixel), Y_train, scale_pictures(test, max_pixel), Y_test)


def picture_shape(path):
    """The shape of one picture of a data set, (height, width, 3) in pixels. Raises InputError."""
    with open_hdf5(path) as file:
        return _stored_pictures(file, "train").shape[1:]


def scale_pictures(pictures, max_pixel=255):
    """Turn pictures, (m, height, width, 3) and 0 to `max_pixel`, into the network's input X, (n_x, m) and 0 to 1.

    X is float64, whatever the pictures are.
    """
    return np.divide(_as_columns(pictures), max_pixel, dtype=float)


def _as_columns(pictures):
    """Pictures, (m, height, width, 3), as columns, (n_x, m): the same memory."""
    return pictures.reshape(len(pictures), np.prod(pictures.shape[1:])).T


def _stored_pictures(file, part):
    """The pictures of one part, "train" or "test", as an HDF5 data set of the right shape. Raises InputError."""
    stored = stored_array(file, f"X_{part}")
    if len(stored.shape) != 4 or stored.shape[3] != 3 or 0 in stored.shape:
        raise InputError(f"X_{part} has shape {stored.shape}; (number, height, width, 3) was expected")
    return stored


def _stored_labels(file, part, number):
    """The labels of one part with so many pictures, (1, m). Raises InputError."""
    stored = stored_array(file, f"y_{part}")
    if stored.shape not in ((number,), (number, 1), (1, number)):
        raise InputError(f"y_{part} has shape {stored.shape} for {number} pictures")
    labels = stored[()]
    if not np.isin(labels, (0, 1)).all():
        raise InputError(f"y_{part} holds other values than 0 and 1")
    return labels.reshape(1, -1).astype(float)


def _max_pixel(train, test):
    """The value of a white pixel in the pictures of a data set, 1 or 255. Raises InputError."""
    if train.dtype == np.uint8:
        return 255
    low, high = np.minimum(train.min(), test.min()), np.maximum(train.max(), test.max())
    if not (low >= 0 and high <= 255):  # NaN is neither: minimum and maximum hand it on
        raise InputError(f"X_train and X_test hold values from {low} to {high}, not from 0 to 1 or 0 to 255")
    return 1 if high <= 1 else 255


# ------------------------------------------------------------------------------------------------------ photos

def read_photos(paths, shape):
    """Read photos as the network sees them, at the size of its training pictures.

    Returns the paths that could be read, the photos, uint8 of shape (m, *shape), and the error messages of the others.
    """
    good, photos, errors = [], [], []
    for path in paths:
        try:
            photos.append(read_picture(path, shape))
            good.append(path)
        except (InputError, OSError) as error:
            errors.append(describe(error))
    return good, np.array(photos, np.uint8).reshape(len(photos), *shape), errors


def find_photos(arguments):
    """The paths of all photos: a folder stands for the pictures in it and in its folders `car` and `nocar`.

    Raises InputError if a folder holds none.
    """
    paths = []
    for argument in arguments:
        found = [argument]
        if os.path.isdir(argument):
            inner = [os.path.join(argument, name) for name in FOLDER_LABELS]
            found = [path for folder in (argument, *filter(os.path.isdir, inner)) for path in list_pictures(folder)]
        if not found:
            raise InputError(f"{argument}: holds no pictures")
        paths += found
    return paths


def list_pictures(folder):
    """The paths of the pictures in a folder, by their endings, in natural order: 2.jpg before 10.jpg."""
    names = [name for name in os.listdir(folder)
             if name.lower().endswith(PICTURE_ENDINGS) and not name.startswith(".")]
    return [os.path.join(folder, name) for name in sorted(names, key=natural_order)]


def natural_order(name):
    """A sort key that reads the digits in a name as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name


def photo_labels(paths):
    """The label of each photo, 1 or 0, or None where nothing tells it. Raises InputError.

    It is that of the labels.csv beside the photo, where that names the photo, or else of its folder, `car` or `nocar`.
    """
    tables, labels = {}, []
    for path in paths:
        folder, name = os.path.split(os.path.abspath(path))
        if folder not in tables:
            file = os.path.join(os.path.dirname(path), "labels.csv")  # as the user wrote it, for the error message
            tables[folder] = _read_labels_csv(file) if os.path.exists(file) else {}
        labels.append(tables[folder].get(os.fsencode(name), FOLDER_LABELS.get(os.path.basename(folder))))
    return labels


def _read_labels_csv(path):
    """One labels.csv (`file,label`) as a dict from file name to label. Raises InputError.

    The names are bytes in UTF-8: the text of a file name depends on the system's settings (with LC_ALL=C).
    """
    with open_file(path) as file:
        content = file.read(LARGEST_LABELS_CSV + 1)
    if len(content) > LARGEST_LABELS_CSV:
        raise InputError(f"{path}: larger than {LARGEST_LABELS_CSV / 1e6:.0f} MB")
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        if not {"file", "label"}.issubset(table.fieldnames or ()):
            raise ValueError("other columns")
        return {row["file"].encode(): {"0": 0, "1": 1}[row["label"].strip()] for row in table}
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: has another encoding than UTF-8") from error
    except (KeyError, AttributeError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a table with the columns file and label, separated by a comma, every label "
                         "0 or 1") from error
