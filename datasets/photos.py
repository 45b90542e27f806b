"""Photos of any format and size, and their labels."""

import collections
import contextlib
import csv
import functools
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
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            picture = Image.open(file, formats=formats())
            ImageOps.exif_transpose(picture, in_place=True)
            return np.asarray(_to_rgb(picture).resize((width, height), Image.Resampling.BICUBIC))
        except Image.UnidentifiedImageError:
            why = f"in none of the formats {', '.join(formats())}, or damaged"
            why += "" if "HEIF" in formats() else f"; {HEIC_HELP}"
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            why = f"more than {Image.MAX_IMAGE_PIXELS:,} pixels (9459 x 9459); make it smaller"
        except Exception as error:  # a damaged file can make Pillow raise nearly anything
            why = describe(error)
    raise InputError(f"{path}: cannot be read as a picture ({why})")


def _to_rgb(picture):
    """Turn a picture of any mode into RGB, transparency laid on white."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = _to_uint8(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _to_uint8(picture):
    """Turn a greyscale picture of 16 bits, 32 bits or floating point into one of 8 bits; Pillow only clips at 255.

    Pillow's modes "I" and "F" do not say what is white: here it is the first of 1, 255 and 65535 that no pixel exceeds,
    or else the largest pixel.
    """
    values = np.asarray(picture, float)
    if not np.isfinite(values).all():
        raise InputError("it holds NaN or infinity")
    whites = (65535,) if picture.mode.startswith("I;16") else (1, 255, 65535)
    white = next((white for white in whites if values.max() <= white), values.max())
    return Image.fromarray(np.clip(values / white * 255, 0, 255).round().astype(np.uint8))


# ------------------------------------------------------------------------------------------- folders and labels

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
    """The paths of all photos; and a line for each folder with other files, on how many of which endings it has.

    A folder stands for the pictures in it and in its folders `car` and `nocar`. Raises InputError if it holds none.
    """
    paths, notes = [], []
    for argument in arguments:
        found, unread = [], []
        for folder in filter(os.path.isdir, (argument, *(os.path.join(argument, name) for name in FOLDER_LABELS))):
            pictures, others = _list_folder(folder)
            found += pictures
            if others:
                counts = ", ".join(f"{number} {ending}" for ending, number in others.items())
                unread.append(f"{folder}: not read: {counts}" + (f"; {HEIC_HELP}" if HEIC & others.keys() else ""))
        if not found and os.path.isdir(argument):
            raise InputError("; ".join([f"{argument}: holds no pictures", *unread]))
        paths, notes = paths + (found or [argument]), notes + unread
    return paths, notes


def _list_folder(folder):
    """The paths of the pictures in a folder, by their endings, in natural order: 2.jpg before 10.jpg.

    And how many other files there are of which endings, a Counter.
    """
    endings = {ending for ending, name in Image.registered_extensions().items() if name in formats()}
    pictures, others = [], []
    for name in sorted(os.listdir(folder), key=natural_order):
        if os.path.splitext(name)[1].lower() in endings and not is_leftover(name):
            pictures.append(os.path.join(folder, name))
        elif not is_leftover(name) and name not in FOLDER_LABELS:
            others.append(name)
    if pictures and "labels.csv" in others:  # which is read for these
        others.remove("labels.csv")
    return pictures, collections.Counter(os.path.splitext(name)[1].lower() or "without ending" for name in others)


def is_leftover(name):
    """Whether a file is hidden, or one that file managers leave."""
    return name.startswith(".") or name.lower() in LEFTOVERS or name.endswith(":Zone.Identifier")


def natural_order(name):
    """A sort key that reads the digits in a name as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name


def photo_labels(paths):
    """The label of each photo, 1 or 0, or None where nothing tells it; and lines on tables that do not fit the photos.

    It is that of the labels.csv beside the photo, where that names the photo, or else of its folder, `car` or `nocar`.
    Raises InputError.
    """
    labels, notes = {}, []
    for folder in dict.fromkeys(map(os.path.dirname, paths)):
        table, there = _read_labels_csv(folder), {*map(_normal_name, os.listdir(folder or "."))}
        label_of_folder = FOLDER_LABELS.get(os.path.basename(os.path.abspath(folder)))
        own = [path for path in paths if os.path.dirname(path) == folder]
        labels |= {path: table.get(_normal_name(path), label_of_folder) for path in own}
        unlabelled = [os.path.basename(path) for path in own if labels[path] is None]
        for what, names in (("rows without a photo", [name for name in table if name not in there]),
                            ("photos without a row", unlabelled)):
            if table and names:
                more = ", ..." if len(names) > 3 else ""
                notes.append(f"{os.path.join(folder, 'labels.csv')}: {len(names)} {what}: {', '.join(names[:3])}{more}")
    return [labels[path] for path in paths], notes


def _normal_name(path):
    """The name of a file as one form of Unicode: a Mac writes an é as two characters."""
    return unicodedata.normalize("NFC", os.path.basename(path))


def _read_labels_csv(folder):
    """The labels.csv of a folder, a dict from file name to label, empty if there is none. Raises InputError, OSError.

    It has columns file and label, separated by commas, semicolons or tabs.
    """
    path, table = os.path.join(folder, "labels.csv"), {}
    if not os.path.exists(path):
        return table
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
        reader = csv.DictReader(lines, delimiter=max(",;\t", key="".join(lines[:1]).count))
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        if not {"file", "label"} <= {*reader.fieldnames}:
            raise InputError(f"not a table with the columns file and label, but with {', '.join(reader.fieldnames)!r}")
        for row in reader:
            name, label = ((row[column] or "").strip() for column in ("file", "label"))
            if not name and not label:
                continue
            if label.lower() not in LABELS:
                raise InputError(f"row {reader.line_num}: {name} has the label {label!r}, not 0 or 1, nocar or car")
            if table.setdefault(unicodedata.normalize("NFC", name), LABELS[label.lower()]) != LABELS[label.lower()]:
                raise InputError(f"row {reader.line_num}: {name} had another label before")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: has another encoding than UTF-8; save it as CSV UTF-8") from error
    except (InputError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error
    return table
