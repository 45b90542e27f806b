"""Photos of any format and size, and their labels."""

import collections
import contextlib
import csv
import functools
import glob
import os
import re
import unicodedata
import warnings

import numpy as np
from PIL import Image, ImageOps

from datasets.user_input import InputError, describe

# The formats that Pillow decodes itself. For others it would start a program (Ghostscript for EPS), whatever the ending
# of the file. JPEG includes MPO, which many phones write. TGA is last, because it has no mark to be known by.
FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP", "TGA")
HEIC = {".heic", ".heif", ".hif"}  # of photos of phones, which are read if the package pillow-heif is installed
HEIC_HELP = "for HEIC photos pip install pillow-heif, or export them as JPEG"
LEFTOVERS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx")  # of file managers
FOLDER_LABELS = {"car": 1, "nocar": 0}  # folders that tell the label of the pictures in them
LABELS = {"0": 0, "0.0": 0, "false": 0, "nocar": 0, "1": 1, "1.0": 1, "true": 1, "car": 1}  # of a labels.csv


@functools.cache
def formats():
    """Those of FORMATS that are read here."""
    with contextlib.suppress(ImportError):
        import pillow_heif
        pillow_heif.register_heif_opener()
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


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
            picture = Image.open(file, formats=formats())
            ImageOps.exif_transpose(picture, in_place=True)
            return np.asarray(_to_rgb(picture).resize((width, height), Image.Resampling.BICUBIC))
        except Image.UnidentifiedImageError:
            way_on = "" if "HEIF" in formats() else f"; {HEIC_HELP}"
            why = f"in none of the formats {', '.join(formats())}, or damaged{way_on}"
        except Exception as error:  # a damaged file can make Pillow raise nearly anything
            why = describe(error)
    raise InputError(f"{path}: cannot be read as a picture ({why})")


def _to_rgb(picture):
    """Turn a picture of any mode into RGB, transparency laid on white."""
    if picture.mode[0] in "IF":  # I, F, I;16
        picture = _to_uint8(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _to_uint8(picture):
    """Turn a greyscale picture of 16 bits, 32 bits or floating point into one of 8 bits; Pillow only clips at 255.

    Modes I and F do not say what is white: it is the first of 1, 255 and 65535 that no pixel exceeds, or the largest.
    """
    values = np.asarray(picture, float)
    if not np.isfinite(values).all():
        raise InputError("it holds NaN or infinity")
    whites = (65535,) if picture.mode.startswith("I;16") else (1, 255, 65535, values.max())
    white = next(white for white in whites if values.max() <= white)
    return Image.fromarray(np.clip(values / white * 255, 0, 255).round().astype(np.uint8))


# ------------------------------------------------------------------------------------------- folders and labels

def read_photos(paths, shape):
    """Returns the paths that could be read, the photos, uint8 of shape (m, *shape), and the others' error messages."""
    good, photos, errors = [], [], []
    for path in paths:
        try:
            photos.append(read_picture(path, shape))
            good.append(path)
        except (InputError, OSError) as error:
            errors.append(describe(error))
    return good, np.array(photos, np.uint8).reshape(len(photos), *shape), errors


def find_photos(arguments):
    """The paths of all photos; and a line for each folder with other files, on how many of which endings it has.

    A folder stands for the pictures in it and in its folders `car` and `nocar`. Raises InputError if it holds none. A
    pattern such as *.png, where there is no file of this name, stands for what matches it: not every shell does that.
    """
    paths, notes = [], []
    for argument in arguments:
        if os.path.isdir(argument):
            found, unread = _list_folders(argument)
            if not found:
                raise InputError("; ".join([f"{argument}: holds no pictures", *unread]))
            paths, notes = paths + found, notes + unread
        elif os.path.exists(argument):
            paths.append(argument)
        else:
            found = [path for path in sorted(glob.glob(argument), key=natural_order)
                     if os.path.basename(path) != "labels.csv" and not is_leftover(os.path.basename(path))]
            more, unread = find_photos(found) if found else ([argument], [])
            paths, notes = paths + more, notes + unread
    return paths, notes


def _list_folders(folder):
    """The pictures of a folder and of `car` and `nocar` in it, in natural order: 2.jpg before 10.jpg; and the notes."""
    endings = {ending for ending, name in Image.registered_extensions().items() if name in formats()}
    paths, notes = [], []
    for place in filter(os.path.isdir, (folder, *(os.path.join(folder, name) for name in FOLDER_LABELS))):
        names = sorted((name for name in os.listdir(place) if not is_leftover(name)), key=natural_order)
        pictures = [name for name in names if _ending(name) in endings]
        read = {*pictures, *FOLDER_LABELS, *(["labels.csv"] if pictures else [])}
        unread = collections.Counter("folders" if os.path.isdir(os.path.join(place, name)) else
                                     _ending(name) or "without ending" for name in names if name not in read)
        if unread:
            counts = ", ".join(f"{number} {ending}" for ending, number in unread.items())
            notes.append(f"{place}: not read: {counts}" + (f"; {HEIC_HELP}" if HEIC & unread.keys() else ""))
        paths += [os.path.join(place, name) for name in pictures]
    return paths, notes


def _ending(name):
    return os.path.splitext(name)[1].lower()


def is_leftover(name):
    """Whether a file is hidden, or one that file managers leave."""
    return name.startswith(".") or name.lower() in LEFTOVERS or name.endswith(":Zone.Identifier")


def natural_order(name):
    """A sort key that reads the digits in a name as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name


def photo_labels(paths):
    """The label of each photo, 1 or 0, or None where nothing tells it; and lines on tables that do not fit the photos.

    It is that of the labels.csv beside the photo, or else of its folder, `car` or `nocar`. Raises InputError.
    """
    labels, notes = {}, []
    for folder in dict.fromkeys(map(os.path.dirname, paths)):
        file = os.path.join(folder, "labels.csv")
        table = _read_labels(file) if os.path.exists(file) else {}
        own = {path: _normal(os.path.basename(path)) for path in paths if os.path.dirname(path) == folder}
        label_of_folder = FOLDER_LABELS.get(os.path.basename(os.path.abspath(folder)))
        labels |= {path: table.get(name, label_of_folder) for path, name in own.items()}
        there = {*map(_normal, os.listdir(folder or "."))}
        for what, names in (("rows without a photo", [name for name in table if name not in there]),
                            ("photos without a row", [name for path, name in own.items() if labels[path] is None])):
            if table and names:
                notes.append(f"{file}: {len(names)} {what}: {', '.join(names[:3])}{', ...' if names[3:] else ''}")
    return [labels[path] for path in paths], notes


def _normal(name):
    """A file's name as one form of Unicode: a Mac writes an é as two characters."""
    return unicodedata.normalize("NFC", name)


def _read_labels(path):
    """A table with columns file and label, separated by commas, semicolons or tabs: a dict. Raises InputError, OSError.
    """
    table = {}
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines() or [""]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: has another encoding than UTF-8; save it as CSV UTF-8") from error
    head, *rows = csv.reader(lines, delimiter=max(",;\t", key=lines[0].count))
    head = [name.strip().lower() for name in head]
    if not {"file", "label"} <= {*head}:
        raise InputError(f"{path}: not a table with the columns file and label, but with {', '.join(head)!r}")
    for number, row in enumerate(rows, start=2):
        cells = {"file": "", "label": "", **dict(zip(head, map(str.strip, row)))}
        name, label = _normal(cells["file"]), cells["label"]
        if not name and not label:
            continue
        if label.lower() not in LABELS:
            raise InputError(f"{path}: row {number}: {name} has the label {label!r}, not 0 or 1, nocar or car")
        if table.setdefault(name, LABELS[label.lower()]) != LABELS[label.lower()]:
            raise InputError(f"{path}: row {number}: {name} had another label before")
    return table
