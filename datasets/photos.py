"""One picture file, whatever its format and size, as pixels: read with Pillow, in less than 600 MB of memory."""

import os
import warnings

import numpy as np
from PIL import ExifTags, Image

from datasets.files import open_file
from datasets.user_input import InputError, describe

# The formats that Pillow decodes itself. For others it would start a program (Ghostscript for EPS), whatever the ending
# of the file. JPEG includes MPO, which many phones write. TGA is last, because it has no mark to be known by.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP", "TGA")

MEMORY = 520e6  # bytes that reading a picture may take besides what the program takes anyway
STREAMED = ("BMP", "PNG", "PPM", "TIFF", "TGA")  # formats that can be opened without holding the file twice or more
LARGEST_STREAMED = 400e6  # bytes of such a file
LARGEST_FILE = 130e6  # bytes of any other
# What decoding takes besides the picture: bytes a pixel, and how often the file is held. Measured, and rounded up.
DECODER = {"AVIF": (14, 2), "BMP": (3, 0), "GIF": (1, 0), "PPM": (8, 0), "WEBP": (13, 2)}
STRIP = 2**18  # pixels that are turned to RGB at a time

TURN_UPRIGHT = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
                5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
                8: Image.Transpose.ROTATE_90}  # by the EXIF orientation


def read_picture(path, shape):
    """Read one picture file, of any mode and size, as uint8 of `shape` = (height, width, 3).

    Training pictures and photos both come through here, so that they are treated alike: first frame, turned upright
    by its EXIF orientation, transparency laid on white, resized without regard to its proportions (bicubic).
    Raises InputError, or OSError if there is no such file.
    """
    height, width, _ = shape
    with open_file(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of harmless oddities, such as damaged EXIF data
        try:
            picture = _open(file)
            _fit_into_memory(picture, os.fstat(file.fileno()).st_size, max(height, width))
            picture.load()
            picture = _to_upright_rgb(picture, max(height, width))
            return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
        except Exception as error:  # a damaged file can make Pillow raise nearly anything
            raise InputError(f"{path}: cannot be read as a picture ({describe(error)})") from error


def _open(file):
    """The picture in an open file, not decoded yet."""
    Image.init()
    size = os.fstat(file.fileno()).st_size
    known = [name for name in FORMATS if name in Image.OPEN and (size <= LARGEST_FILE or name in STREAMED)]
    if size > LARGEST_STREAMED:
        raise InputError(f"{size / 1e6:.0f} MB, more than {LARGEST_STREAMED / 1e6:.0f}")
    try:
        return Image.open(file, formats=known)
    except Image.UnidentifiedImageError as error:
        large = f", as a file of {size / 1e6:.0f} MB must be" if size > LARGEST_FILE else ""
        raise InputError(f"in none of the formats {', '.join(known)}{large}, or damaged") from error


# ------------------------------------------------------------------------------------------------------ memory

def _fit_into_memory(picture, file_size, longest):
    """Make a large JPEG be decoded at a half to an eighth of its size; refuse what would take too much memory.

    longest : pixels, the longer side of what the picture will be resized to
    """
    size, decoder = picture.size, decoder_bytes(picture, file_size)
    if picture.format in ("JPEG", "MPO") and decoder + picture_bytes(picture, longest) > MEMORY:
        picture.draft(None, (2 * longest, 2 * longest))  # not below twice the size that is wanted
    needed = picture_bytes(picture, longest) + max(decoder, rgb_bytes(picture, most_reduction(picture, longest)))
    if needed > MEMORY:
        raise InputError(f"{size[0]} x {size[1]} pixels of a {picture.format} file like this take "
                         f"{needed / 1e6:.0f} MB of memory, more than {MEMORY / 1e6:.0f}")


def picture_bytes(picture, longest):
    """The memory that a decoded picture takes, and its rows or columns while it is resized, in bytes."""
    pixel = 1 if picture.mode in ("1", "L", "P") else 2 if picture.mode.startswith("I;16") else 4
    return picture.width * picture.height * pixel + max(picture.size) * (256 + 4 * longest)


def rgb_bytes(picture, reduction):
    """The memory that a picture takes in RGB, and once more turned upright, in bytes."""
    return 8 * picture.width * picture.height / reduction**2


def most_reduction(picture, longest):
    """How far a picture may be reduced before it is resized: not below twice the size that is wanted."""
    return max(1, min(8, min(picture.size) // (2 * longest)))


def decoder_bytes(picture, file_size):
    """The memory that decoding a picture takes besides, in bytes, at most."""
    pixels = picture.width * picture.height
    if picture.format in ("JPEG", "MPO"):
        # The coefficients of all pixels, 2 bytes each, where they come in several scans (progressive JPEG).
        areas = [h * v for _, h, v, *_ in picture.layer]
        return 2 * pixels * sum(areas) / max(areas)
    if picture.format == "JPEG2000":
        return 6 * pixels * len(picture.getbands()) + file_size
    if picture.format in ("BMP", "PPM") and picture.tile[0][0] == "raw":
        return 0  # neither compressed nor text
    if picture.format == "TIFF":
        return _tiff_decoder_bytes(picture, file_size)
    pixel, copies = DECODER.get(picture.format, (0, 0))
    return pixel * pixels + copies * file_size


def _tiff_decoder_bytes(picture, file_size):
    """Of a TIFF file: one tile or strip, which may be larger than the picture, and a copy to turn it upright."""
    tags, turned = picture.tag_v2, 0
    if tags.get(ExifTags.Base.Orientation, 1) != 1:
        turned = 4 * picture.width * picture.height
    if picture.info.get("compression") == "raw":
        return turned
    width = tags.get(ExifTags.Base.TileWidth, picture.width)
    rows = tags.get(ExifTags.Base.TileLength, min(tags.get(ExifTags.Base.RowsPerStrip, np.inf), picture.height))
    bits = max(tags.get(ExifTags.Base.BitsPerSample, (1,))) * tags.get(ExifTags.Base.SamplesPerPixel, 1)
    return turned + width * rows * bits / 8 + file_size


# ------------------------------------------------------------------------------------------------------ pixels

def _to_upright_rgb(picture, longest):
    """A decoded picture in RGB, turned upright by its EXIF orientation; reduced where memory asks for it.

    It goes strip by strip, so that nothing but the strip is held in more forms than two. longest : as above
    """
    left = MEMORY - picture_bytes(picture, longest)
    reductions = range(1, most_reduction(picture, longest) + 1)
    reduction = next((r for r in reductions if rgb_bytes(picture, r) <= left), reductions[-1])
    white = _white(picture)
    whole = Image.new("RGB", (-(-picture.width // reduction), -(-picture.height // reduction)))
    step = reduction * max(1, STRIP // (picture.width * reduction))
    for top in range(0, picture.height, step):
        strip = picture.crop((0, top, picture.width, min(top + step, picture.height)))
        strip = _to_rgb(strip if white is None else _to_uint8(strip, white))
        whole.paste(strip.reduce(reduction), (0, top // reduction))
    turn = TURN_UPRIGHT.get(picture.getexif().get(ExifTags.Base.Orientation))
    return whole if turn is None else whole.transpose(turn)


def _to_rgb(picture):
    """Turn a picture of any mode into RGB, transparency laid on white."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _white(picture):
    """The value that is white in a greyscale picture of 16 bits, 32 bits or floating point; None for other pictures.

    Pillow's modes "I" and "F" do not say it: here it is the first of 1, 255 and 65535 that no pixel exceeds, or else
    the largest pixel.
    """
    if picture.mode.startswith("I;16"):
        return 65535
    if picture.mode not in ("I", "F"):
        return None
    largest = picture.getextrema()[1]
    return next((white for white in (1, 255, 65535) if largest <= white), largest)


def _to_uint8(picture, white):
    """Turn a greyscale picture of 16 bits, 32 bits or floating point into one of 8 bits; Pillow only clips at 255."""
    values = np.asarray(picture, float)
    if not np.isfinite(values).all():
        raise InputError("it holds NaN or infinity")
    return Image.fromarray(np.clip(values / white * 255, 0, 255).round().astype(np.uint8))
