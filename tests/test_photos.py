"""Photos of every kind, and of every size."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from datasets import photos
from datasets.photos import read_picture
from datasets.pictures import PICTURE_ENDINGS
from datasets.user_input import InputError

from .conftest import ROOT, needs_posix

SHAPE = (6, 8, 3)

GRADIENT = np.add.outer(np.arange(60) * 2, np.arange(80)).astype(np.uint8)  # 60 x 80, from 0 to 197


@pytest.mark.parametrize("mode, ending", [
    ("RGB", "png"), ("RGBA", "png"), ("L", "png"), ("LA", "png"), ("P", "png"), ("1", "png"), ("CMYK", "jpg"),
    ("CMYK", "tif"), ("L", "jpg"), ("RGB", "bmp"), ("RGB", "webp"), ("P", "gif"), ("YCbCr", "jpg"), ("I;16", "png"),
    ("I;16", "tif"), ("I", "tif"), ("F", "tif"), ("RGB", "ppm"), ("RGBA", "tif"),
])
def test_photos_of_every_mode_look_the_same(tmp_path, mode, ending):
    path = tmp_path / f"photo.{ending}"
    if mode == "I;16":
        picture = Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(GRADIENT).convert("RGB" if mode in ("P", "CMYK", "YCbCr",
                                                                      "RGBA") else "L").convert(mode)
    picture.save(path)
    read = read_picture(path, SHAPE)
    assert read.shape == SHAPE and read.dtype == np.uint8
    expected = np.asarray(Image.fromarray(GRADIENT).convert("RGB").resize((8, 6)))
    assert np.abs(read.astype(int) - expected).max() <= (40 if mode == "1" else 6)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path):
    Image.fromarray(np.full((6, 8), 128 * 257, np.uint16)).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", SHAPE) == 128).all()


@pytest.mark.parametrize("value, largest, expected",
                         [(0.5, 1, 128), (100, 200, 100), (257 * 9, 65535, 9), (1e6, 2e6, 128),
                                                      (-5, 200, 0)])
def test_floating_point_photos_are_scaled_by_their_largest_pixel(tmp_path, value, largest, expected):
    pixels = np.full((60, 80), value, np.float32)
    pixels[-1, -1] = largest
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    assert (read_picture(tmp_path / "a.tif", (60, 80, 3))[:30] == expected).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_photos_with_nan_or_infinity_are_errors(tmp_path, value):
    Image.fromarray(np.full((6, 8), value, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="a.tif: cannot be read as a picture .it holds NaN or infinity"):
        read_picture(tmp_path / "a.tif", SHAPE)


def test_transparency_is_laid_on_white(tmp_path):
    Image.new("RGBA", (8, 6), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", SHAPE) == 255).all()
    palette = Image.new("P", (8, 6), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "p.png", transparency=1)
    assert (read_picture(tmp_path / "p.png", SHAPE) == 255).all()


def test_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.array_equal(read_picture(tmp_path / "a.gif", SHAPE)[0, 0], [255, 0, 0])


def test_exif_orientation_turns_the_photo_upright(tmp_path):
    upright = Image.fromarray(np.kron([[0, 80], [160, 240]], np.ones((3, 4))).astype(np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: to be shown turned by 90 degrees clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png", SHAPE)[:, :, 0], np.asarray(upright))


@pytest.mark.parametrize("content",
                         [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(50), b"BM" + struct.pack("<I", 99)])
def test_what_is_no_picture_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match="a.png: cannot be read as a picture"):
        read_picture(tmp_path / "a.png", SHAPE)


def test_truncated_photo_is_an_error(tmp_path):
    content = (ROOT / "photos_demo" / "0.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="a.jpg: cannot be read as a picture"):
        read_picture(tmp_path / "a.jpg", SHAPE)


@pytest.mark.parametrize("ending", PICTURE_ENDINGS)
def test_every_ending_of_the_list_is_read(tmp_path, ending):
    if ending not in Image.registered_extensions():
        pytest.skip("this Pillow does not know the format")
    grey = ending == ".pgm"
    Image.new("L" if grey else "RGB", (80, 60), 90 if grey else (90, 90, 90)).save(tmp_path / f"a{ending}")
    assert np.abs(read_picture(tmp_path / f"a{ending}", SHAPE).astype(int) - 90).max() <= 2


def test_the_first_picture_of_an_mpo_is_read(tmp_path):
    frames = [Image.new("RGB", (80, 60), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert np.abs(read_picture(tmp_path / "a.jpg", SHAPE)[0, 0].astype(int) - (255, 0, 0)).max() <= 2


@needs_posix
def test_no_program_is_started_for_a_photo(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs")
    (tmp_path / "a.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n")
    with pytest.raises(InputError, match="a.jpg: cannot be read as a picture .in none of the formats .*BMP"):
        read_picture(tmp_path / "a.jpg", SHAPE)
    assert not (tmp_path / "started").exists()


@needs_posix
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="a.jpg: is not a file"):
        read_picture(tmp_path / "a.jpg", SHAPE)


# ------------------------------------------------------------------------------------------------------ memory

def read_at_once(path, shape):
    """The same as `read_picture`, without regard to memory."""
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert("RGB").resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_strips_change_nothing(tmp_path, monkeypatch, mode, orientation):
    monkeypatch.setattr(photos, "STRIP", 700)  # pixels: 7 rows
    noise = np.random.RandomState(0).randint(0, 256, (61, 93, 4)).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    options = {"transparency": 5} if mode == "P" else {}
    Image.fromarray(noise).convert("RGB" if mode == "P" else mode).convert(mode).save(tmp_path / "a.png", exif=exif,
                                                                                      **options)
    for shape in (SHAPE, (45, 80, 3)):
        assert np.array_equal(read_picture(tmp_path / "a.png", shape), read_at_once(tmp_path / "a.png", shape))


@pytest.mark.parametrize("ending, decoded, in_rgb", [("jpg", (100, 75), (100, 75)), ("png", (800, 600), (267, 200))])
def test_pictures_are_reduced_where_memory_asks_for_it(tmp_path, monkeypatch, ending, decoded, in_rgb):
    picture = Image.fromarray(np.kron(GRADIENT, np.ones((10, 10))).astype(np.uint8)).convert("RGB")  # 800 x 600
    picture.save(tmp_path / f"a.{ending}")
    expected = read_picture(tmp_path / f"a.{ending}", SHAPE).astype(int)
    sizes = []

    def to_rgb(picture, longest, original=photos._to_upright_rgb):
        sizes.extend((picture.size, original(picture, longest).size))
        return original(picture, longest)

    monkeypatch.setattr(photos, "_to_upright_rgb", to_rgb)
    monkeypatch.setattr(photos, "MEMORY", 3e6)  # 2 MB for the picture, and in RGB and turned 2 MB each
    assert np.abs(read_picture(tmp_path / f"a.{ending}", SHAPE) - expected).max() <= 2
    assert sizes == [decoded, in_rgb]


MEASURE = """
import sys
from datasets.photos import read_picture
from datasets.user_input import InputError
try:
    read_picture(sys.argv[1], (45, 80, 3))
    outcome = "read"
except InputError as error:
    outcome = str(error)
print([int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")][0], outcome)
"""


def peak_memory(path):
    """Read a picture in a process of its own. Returns its peak memory in MB, and "read" or the error message."""
    if not os.path.exists("/proc/self/status"):  # getrusage would count what this process had before it forked
        pytest.skip("needs Linux")
    printed = subprocess.run([sys.executable, "-c", MEASURE, path], cwd=ROOT, capture_output=True, text=True,
                             check=True).stdout
    kilobytes, outcome = printed.strip().split(" ", 1)
    return int(kilobytes) * 1.024e-3, outcome


def png_of_nothing(width, height, interlaced):
    """A PNG file, RGB and black, of some hundred kilobytes."""
    if interlaced:  # Adam7: seven small pictures
        passes = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))
    else:
        passes = ((0, 1, 0, 1),)
    packer, packed = zlib.compressobj(1), io.BytesIO()
    for left, across, top, down in passes:
        row = bytes(1 + 3 * len(range(left, width, across)))
        for _ in range(top, height, down):
            packed.write(packer.compress(row))
    packed.write(packer.flush())
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)), (b"IDAT", packed.getvalue()),
              (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks)


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_at_the_limit_stays_below_600_megabytes(tmp_path, interlaced):
    (tmp_path / "a.png").write_bytes(png_of_nothing(13000, 9400, interlaced))
    memory, outcome = peak_memory(tmp_path / "a.png")
    assert outcome == "read" and memory < 600


def tiff(**tags):
    """A TIFF file of zeros, packed with deflate; tags : number as "t256", one value each."""
    packed = zlib.compress(bytes(1000))
    tags = {258: 8, 259: 8, 262: 2, 277: 3, 273: 8, 279: len(packed), **{int(n[1:]): v for n, v in tags.items()}}
    entries = b"".join(struct.pack("<HHII", number, 4, 1, value) for number, value in sorted(tags.items()))
    packed += bytes(len(packed) % 2)
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("tags", [
    {"t256": 12000, "t257": 14000},
    {"t256": 64, "t257": 64, "t322": 16384, "t323": 16384},  # a large tile
    {"t256": 9000, "t257": 9000, "t274": 6},  # to be turned upright
])
def test_a_small_tiff_of_large_dimensions_is_refused_before_it_is_unpacked(tmp_path, tags):
    (tmp_path / "a.tif").write_bytes(tiff(**tags))
    memory, outcome = peak_memory(tmp_path / "a.tif")
    assert f"{tags['t256']} x {tags['t257']} pixels of a TIFF file like this take" in outcome and memory < 100


def test_a_jpeg_too_large_even_at_an_eighth_is_refused_by_its_dimensions(tmp_path):
    content = bytearray((ROOT / "photos_demo" / "0.jpg").read_bytes())
    at = content.index(b"\xff\xc0") + 5
    content[at:at + 4] = struct.pack(">HH", 13300, 13400)
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match="a.jpg: .*13400 x 13300 pixels of a JPEG file like this take 5"):
        read_picture(tmp_path / "a.jpg", (45, 80, 3))


@needs_posix
@pytest.mark.parametrize("size, what", [(200e6, "as a file of 200 MB must be"), (500e6, "500 MB, more than 400")])
def test_a_file_too_large_is_refused(tmp_path, size, what):
    (tmp_path / "a.jpg").write_bytes((ROOT / "photos_demo" / "0.jpg").read_bytes())
    os.truncate(tmp_path / "a.jpg", int(size))  # a sparse file
    with pytest.raises(InputError, match=f"a.jpg: cannot be read as a picture .*{what}"):
        read_picture(tmp_path / "a.jpg", SHAPE)
