"""Photos of any format and size, and their labels."""

import csv
import os
import re
import warnings

import numpy as np
from PIL import Image, ImageOps

from datasets.user_input import InputError, describe

# The formats that Pillow decodes itself. For others it would start a program (Ghostscript for EPS), whatever the ending
# of the file. JPEG includes MPO, which many phones write. TGA is last, because it has no mark to be known by.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP", "TGA")
ENDINGS = (".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tga", ".tif", ".tiff",
           ".webp")
LARGE = 50e6  # pixels of a JPEG that is decoded at a half to an eighth of its size
FOLDER_LABELS = {"car": 1, "nocar": 0}  # folders that tell the label of the pictures in them


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
    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]
    try:
        return Image.open(file, formats=known)
    except Image.UnidentifiedImageError as error:
        raise InputError(f"in none of the formats {', '.join(known)}, or damaged") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller first") from error


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
            inner = [os.path.join(argument, name) for name in FOLDER_LABELS]
            found = [path for folder in (argument, *filter(os.path.isdir, inner)) for path in list_pictures(folder)]
        if not found:
            raise InputError(f"{argument}: holds no pictures")
        paths += found
    return paths


def list_pictures(folder):
    """The paths of the pictures in a folder, by their endings, in natural order: 2.jpg before 10.jpg."""
    names = [name for name in os.listdir(folder) if name.lower().endswith(ENDINGS) and not name.startswith(".")]
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
        labels.append(tables[folder].get(name, FOLDER_LABELS.get(os.path.basename(folder))))
    return labels


def _read_labels_csv(path):
    """One labels.csv (`file,label`) as a dict from file name to label. Raises InputError, or OSError."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            table = csv.DictReader(file)
            if not {"file", "label"} <= set(table.fieldnames or ()):
                raise KeyError("other columns")
            return {row["file"]: {"0": 0, "1": 1}[row["label"].strip()] for row in table}
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: has another encoding than UTF-8") from error
        except (KeyError, AttributeError, csv.Error) as error:
            raise InputError(f"{path}: not a table with the columns file and label, separated by a comma, every label "
                             "0 or 1") from error
