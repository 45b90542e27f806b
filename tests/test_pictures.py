"""Pictures: data sets, right and wrong ones; photos of every kind; labels."""

import os
import struct

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets.pictures import (
    list_pictures,
    load_data,
    picture_shape,
    read_picture,
)
from datasets.user_input import InputError

from .conftest import ROOT, write_data

SHAPE = (6, 8, 3)


# --------------------------------------------------------------------------------------------------- data sets

@pytest.mark.parametrize("shape", [(20,), (20, 1), (1, 20)])
def test_labels_of_all_three_shapes_are_read(tmp_path, shape):
    path = write_data(tmp_path / "a.h5", y_train=(np.arange(20) % 3 == 0).astype(int).reshape(shape))
    X_train, Y_train, X_test, Y_test = load_data(path)
    assert (X_train.shape, X_test.shape, Y_test.shape) == ((144, 20), (144, 8), (1, 8))
    assert np.array_equal(Y_train, [np.arange(20) % 3 == 0])
    with h5py.File(path) as file:
        assert np.array_equal(X_train[:, 3] * 255, file["X_train"][3].ravel())
    assert picture_shape(path) == SHAPE


@pytest.mark.parametrize("changes, what", [
    ({"X_test": None}, "has no X_test"), ({"y_train": None}, "has no y_train"),
    ({"X_test": np.zeros((8, 6, 7, 3), np.uint8)}, "two kinds"), ({"y_test": np.zeros((7, 1))}, "y_test has shape"),
    ({"y_train": np.full((20, 1), 2)}, "0 and 1"), ({"X_train": np.zeros((20, 6, 8), np.uint8)}, "X_train has shape"),
])
def test_wrong_data_is_refused(tmp_path, changes, what):
    with pytest.raises(InputError, match=f"a.h5: .*{what}"):
        load_data(write_data(tmp_path / "a.h5", **changes))


def test_a_file_that_is_no_data_set_is_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match="a.h5: not an HDF5 file"):
        load_data(tmp_path / "a.h5")


def test_pictures_in_floating_point_are_read_and_the_range_is_said(tmp_path, capsys):
    path = write_data(tmp_path / "a.h5")
    expected = load_data(path)
    with h5py.File(path) as file:
        pictures = {name: file[name][()] for name in ("X_train", "X_test")}
    assert capsys.readouterr().out == ""
    for white, kind in ((255, np.float32), (1, np.float64)):
        changed = {name: (values / (255 / white)).astype(kind) for name, values in pictures.items()}
        loaded = load_data(write_data(tmp_path / "b.h5", **changed))
        assert all(np.allclose(one, other, rtol=0, atol=1e-7) for one, other in zip(loaded, expected))
        assert f"b.h5: the pictures are {np.dtype(kind)}, taken as values from 0 to {white}" in capsys.readouterr().out


@pytest.mark.parametrize("value, what", [(-1.0, "from -1.0 to"), (256.0, "to 256.0, not"), (np.nan, "hold values"),
                                         (np.inf, "to inf")])
def test_floating_point_out_of_range_is_refused(tmp_path, value, what):
    X = np.full((20, 6, 8, 3), 0.5)
    X[3, 2, 1, 0] = value
    with pytest.raises(InputError, match=what):
        load_data(write_data(tmp_path / "a.h5", X_train=X, X_test=np.full((8, 6, 8, 3), 0.5)))


@pytest.mark.parametrize("changes, what", [
    ({"X_train": np.zeros((0, 6, 8, 3), np.uint8)}, "X_train has shape"),
    ({"y_train": np.array(1)}, "y_train has shape"),
    ({"X_train": np.zeros((20, 6, 8, 3), int)}, "pictures of two kinds"),
    ({"y_test": np.full((8, 1), np.nan)}, "y_test holds other"),
    ({"X_train": np.zeros((20, 6, 8, 3), int), "X_test": np.zeros((8, 6, 8, 3), int)},
     "X_train holds int64, neither uint8 nor"),
    ({"y_train": np.array([b"0"] * 20)}, "y_train holds other"),
])
def test_more_wrong_data_is_refused(tmp_path, changes, what):
    with pytest.raises(InputError, match=f"a.h5: {what}"):
        load_data(write_data(tmp_path / "a.h5", **changes))


def test_a_data_set_that_declares_more_than_it_holds_is_refused(tmp_path):
    write_data(tmp_path / "a.h5", X_train=None)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.create_dataset("X_train", (10**6, 6, 8, 3), np.uint8, chunks=(1, 6, 8, 3))
    with pytest.raises(InputError, match="a.h5: declares X_train of shape"):
        load_data(tmp_path / "a.h5")


# ------------------------------------------------------------------------------------------------------ photos

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


def test_folders_are_listed_in_natural_order(tmp_path):
    for name in ("10.jpg", "2.JPG", "a10.png", "a9.png", "labels.csv", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [os.path.basename(path) for path in list_pictures(tmp_path)] == ["2.JPG", "10.jpg", "a9.png", "a10.png"]
