"""Pictures: data sets (HDF5), photos of any format, and the labels of photos."""

import contextlib
import csv
import os
import re
import sys
import warnings
from typing import NamedTuple

import h5py
import numpy as np
from PIL import Image, ImageOps

from datasets.user_input import InputError, as_input_error, describe

PICTURE_ENDINGS = (".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tga",
                   ".tif", ".tiff", ".webp")


class Data(NamedTuple):
    """A data set: X of shape (n_x, m), pixels from 0 to 1, and Y of shape (1, m), 1 = car, 0 = no car; all float64."""

    X_train: np.ndarray
    Y_train: np.ndarray
    X_test: np.ndarray
    Y_test: np.ndarray


# --------------------------------------------------------------------------------------------------- data sets

def load_data(path):
    """Read a data set such as `datasets/carvnocar.h5`. Returns a `Data`. Raises InputError.

    Pictures are uint8, or floating-point numbers from 0 to 1 or from 0 to 255; a line tells which of the two was
    assumed. Labels stored as (m,), (m, 1) or (1, m) are all read.
    """
    with _open_data(path) as file:
        train, test = _stored_pictures(file, "train"), _stored_pictures(file, "test")
        if (train.shape[1:], train.dtype) != (test.shape[1:], test.dtype):
            raise InputError(f"pictures of two kinds: {train.shape[1:]} {train.dtype} in X_train, "
                             f"{test.shape[1:]} {test.dtype} in X_test")
        Y_train, Y_test = _stored_labels(file, "train"), _stored_labels(file, "test")
        train, test = train[()], test[()]
        max_pixel = _max_pixel(train, test)
    if train.dtype != np.uint8:
        print(f"{path}: the pictures are {train.dtype}, taken as values from 0 to {max_pixel}")
    if Y_train.min() == Y_train.max():
        print(f"warning: {path}: every label in y_train is {Y_train.min():.0f}", file=sys.stderr)
    return Data(scale_pictures(train, max_pixel), Y_train, scale_pictures(test, max_pixel), Y_test)


def picture_shape(path):
    """The shape of one picture of a data set, (height, width, 3) in pixels. Raises InputError."""
    with _open_data(path) as file:
        return _stored_pictures(file, "train").shape[1:]


def scale_pictures(pictures, max_pixel=255):
    """Turn pictures, (m, height, width, 3) and 0 to `max_pixel`, into the network's input X, (n_x, m) and 0 to 1."""
    return pictures.reshape(len(pictures), np.prod(pictures.shape[1:])).T / max_pixel


@contextlib.contextmanager
def _open_data(path):
    """Open an HDF5 file to read; any error meanwhile becomes an InputError that names the file."""
    with open(path, "rb"):  # a missing file is an OSError; h5py's own message for it is several lines long
        pass
    with as_input_error(path, "an HDF5 file"), h5py.File(path, "r") as file:
        yield file


def _stored(file, name):
    """The data set `name` of an open HDF5 file. Raises InputError."""
    stored = file.get(name)
    if not isinstance(stored, h5py.Dataset) or stored.shape is None:
        raise InputError(f"has no {name}")
    # A damaged or lying file may declare any size. Compression saves a factor of about 1000 at most.
    if stored.size * stored.dtype.itemsize > 2000 * os.path.getsize(file.filename):
        raise InputError(f"declares {name} of shape {stored.shape}, more than so small a file can hold")
    return stored


def _stored_pictures(file, part):
    """The pictures of one part, "train" or "test", as an HDF5 data set of the right shape. Raises InputError."""
    stored = _stored(file, f"X_{part}")
    if len(stored.shape) != 4 or stored.shape[3] != 3 or 0 in stored.shape:
        raise InputError(f"X_{part} has shape {stored.shape}; (number, height, width, 3) was expected")
    return stored


def _stored_labels(file, part):
    """The labels of one part, (1, m). Raises InputError."""
    number = file[f"X_{part}"].shape[0]
    labels = _stored(file, f"y_{part}")[()]
    if not isinstance(labels, np.ndarray) or labels.shape not in ((number,), (number, 1), (1, number)):
        raise InputError(f"y_{part} has shape {np.shape(labels)} for {number} pictures")
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise InputError(f"y_{part} holds other values than 0 and 1")
    return labels.reshape(1, -1).astype(float)


def _max_pixel(train, test):
    """The value of a white pixel in the pictures of a data set, 1 or 255. Raises InputError."""
    if train.dtype == np.uint8:
        return 255
    if train.dtype.kind != "f":
        raise InputError(f"X_train holds {train.dtype}, neither uint8 nor floating-point numbers")
    low, high = min(train.min(), test.min()), max(train.max(), test.max())
    if not (low >= 0 and high <= 255 and np.isfinite(train.sum() + test.sum())):
        raise InputError(f"X_train and X_test hold values from {low} to {high}, not from 0 to 1 or 0 to 255")
    return 1 if high <= 1 else 255


# ------------------------------------------------------------------------------------------------------ photos

def read_picture(path, shape):
    """Read one picture file, of any mode and size, as uint8 of `shape` = (height, width, 3).

    Training pictures and photos both come through here, so that they are treated alike: first frame, turned upright
    by its EXIF orientation, transparency laid on white, resized without regard to its proportions (bicubic).
    Raises InputError, or OSError if there is no such file.
    """
    height, width, _ = shape
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of harmless oddities, such as damaged EXIF data
        try:
            picture = ImageOps.exif_transpose(Image.open(file))
            if picture.mode.startswith(("I", "F")):
                picture = _to_uint8(picture)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
        except Exception as error:  # a damaged file can make Pillow raise nearly anything
            raise InputError(f"{path}: cannot be read as a picture ({describe(error)})") from error


def _to_uint8(picture):
    """Turn a greyscale picture of 16 bits, 32 bits or floating point into one of 8 bits.

    Pillow only clips such values at 255. Its modes "I" and "F" do not say which value is white: here it is the first of
    1, 255 and 65535 that no pixel exceeds, or else the largest pixel.
    """
    values = np.asarray(picture, float)
    if not np.isfinite(values).all():
        raise InputError("it holds NaN or infinity")
    largest = values.max()
    white = 65535 if picture.mode.startswith("I;16") else next((w for w in (1, 255, 65535) if largest <= w), largest)
    return Image.fromarray(np.clip(values / white * 255, 0, 255).round().astype(np.uint8))


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
    """The paths of all photos: an argument that is a folder stands for the pictures in it. Raises InputError."""
    paths = []
    for argument in arguments:
        found = list_pictures(argument) if os.path.isdir(argument) else [argument]
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
    """The label of each photo, 1 or 0, from the labels.csv beside it; None where there is none. Raises InputError."""
    folders = {}
    for folder in {os.path.dirname(path) for path in paths}:
        file = os.path.join(folder, "labels.csv")
        folders[folder] = _read_labels_csv(file) if os.path.exists(file) else {}
    return [folders[os.path.dirname(path)].get(os.path.basename(path)) for path in paths]


def _read_labels_csv(path):
    """One labels.csv (`file,label`) as a dict from file name to label. Raises InputError."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            if not {"file", "label"}.issubset(table.fieldnames or ()):
                raise ValueError("other columns")
            return {row["file"]: {"0": 0, "1": 1}[row["label"].strip()] for row in table}
    except (KeyError, AttributeError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a table with the columns file and label, every label 0 or 1") from error
