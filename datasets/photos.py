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
ENDINGS = (".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tga", ".tif", ".tiff",
           ".webp")
HEIC = (".heic", ".heif", ".hif")  # of photos of phones, which are read if the package pillow-heif is installed
HEIC_HELP = "for HEIC photos pip install pillow-heif, or export them as JPEG"
LEFTOVERS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx")  # of file managers
LARGE = 50e6  # pixels of a JPEG that is decoded at a half to an eighth of its size
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
            picture = _open(file)
            if picture.width * picture.height > LARGE:
                picture.draft(None, (2 * max(shape), 2 * max(shape)))  # not below twice the size that is wanted
            ImageOps.exif_transpose(picture, in_place=True)
            return np.asarray(_to_rgb(picture).resize((width, height), Image.Resampling.BICUBIC))
        except Exception as error:  # a damaged file can make Pillow raise nearly anything
            raise InputError(f"{path}: cannot be read as a picture ({describe(error)})") from error


def _open(file):
    """The picture in an open file, not decoded yet. Raises InputError, or what Pillow raises."""
    try:
        return Image.open(file, formats=formats())
    except Image.UnidentifiedImageError as error:
        file.seek(4)
        is_heic = "HEIF" not in formats() and re.match(b"ftyp(he|mif1|msf1)", file.read(8))
        what = f"; {HEIC_HELP}" if is_heic else ", or damaged"
        raise InputError(f"in none of the formats {', '.join(formats())}{what}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels (9459 x 9459); make it smaller") from error


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
    """The paths of all photos: a folder stands for the pictures in it and in its folders `car` and `nocar`.

    Raises InputError if a folder holds none.
    """
    paths = []
    for argument in arguments:
        found = [argument]
        if os.path.isdir(argument):
            found = [path for folder in _folders(argument) for path in list_pictures(folder)]
        if not found:
            raise InputError("; ".join([f"{argument}: holds no pictures", *_unread(argument)]))
        paths += found
    return paths


def _folders(argument):
    """A folder, and its folders `car` and `nocar`, those that there are."""
    return filter(os.path.isdir, (argument, *(os.path.join(argument, name) for name in FOLDER_LABELS)))


def list_pictures(folder):
    """The paths of the pictures in a folder, by their endings, in natural order: 2.jpg before 10.jpg."""
    endings = ENDINGS + HEIC if "HEIF" in formats() else ENDINGS
    names = [name for name in os.listdir(folder) if name.lower().endswith(endings) and not is_leftover(name)]
    return [os.path.join(folder, name) for name in sorted(names, key=natural_order)]


def is_leftover(name):
    """Whether a file is hidden, or one that file managers leave."""
    return name.startswith(".") or name.lower() in LEFTOVERS or name.endswith(":Zone.Identifier")


def _unread(argument):
    """A line for each folder of `_folders` with something that is not read: how many of which endings."""
    for folder in _folders(argument):
        read = {*map(os.path.basename, list_pictures(folder)), *FOLDER_LABELS, "labels.csv"}
        others = [name for name in sorted(os.listdir(folder)) if name not in read and not is_leftover(name)]
        kinds = collections.Counter(os.path.splitext(name)[1].lower() or "without ending" for name in others)
        if others:
            counts = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
            yield f"{folder}: not read: {counts}" + (f"; {HEIC_HELP}" if {*HEIC} & {*kinds} else "")


def photo_notes(arguments, paths, labels):
    """Lines on what was given and not used: other files, rows of a labels.csv without a photo, photos without a row.

    arguments : those of `find_photos`; paths, labels : of the photos that were read
    """
    notes = [note for argument in arguments for note in _unread(argument)]
    for folder in dict.fromkeys(map(os.path.dirname, paths)):
        table, there = _read_labels_csv(folder), {*map(_normal_name, os.listdir(folder or "."))}
        unlabelled = [os.path.basename(path) for path, label in zip(paths, labels)
                      if label is None and table and os.path.dirname(path) == folder]
        for what, names in (("rows without a photo", [name for name in table if name not in there]),
                            ("photos without a row", unlabelled)):
            if names:
                more = ", ..." if len(names) > 3 else ""
                notes.append(f"{os.path.join(folder, 'labels.csv')}: {len(names)} {what}: {', '.join(names[:3])}{more}")
    return notes


def natural_order(name):
    """A sort key that reads the digits in a name as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name


def photo_labels(paths):
    """The label of each photo, 1 or 0, or None where nothing tells it. Raises InputError.

    It is that of the labels.csv beside the photo, where that names the photo, or else of its folder, `car` or `nocar`.
    """
    tables = {folder: _read_labels_csv(folder) for folder in dict.fromkeys(map(os.path.dirname, paths))}
    folders = (os.path.basename(os.path.dirname(os.path.abspath(path))) for path in paths)
    return [tables[os.path.dirname(path)].get(_normal_name(path), FOLDER_LABELS.get(folder))
            for path, folder in zip(paths, folders)]


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
