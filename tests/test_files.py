"""Reading and writing files: `.npy` dictionaries without running code, data sets, photos, files written whole."""

import os
import pickle
import struct

import h5py
import numpy as np
import pytest
from PIL import Image

import nn_functions as nn

from .conftest import ROOT, write_data

SHAPE = (6, 8, 3)


# ---------------------------------------------------------------------------------------------- .npy dictionaries

VALUES = {
    "matrix": np.arange(6.0).reshape(2, 3), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "float32": np.ones(3, np.float32), "big_endian": np.arange(3, dtype=">i4"), "bool": np.array([True, False]),
    "empty": np.zeros((0, 4)), "zero_d": [np.array(0.5), np.array(0.25)], "scalar": np.float64(2.5),
    "text": np.array(["a", "bcd"]), "none": None, "number": 3, "list": [1, (2.5, "x"), {"y": True}], "bytes": b"\xff\0",
}


def assert_same(loaded, value):
    assert type(loaded) is type(value)
    if isinstance(value, dict):
        assert list(loaded) == list(value)
        for key in value:
            assert_same(loaded[key], value[key])
    elif isinstance(value, (list, tuple)):
        assert len(loaded) == len(value)
        for one, other in zip(loaded, value):
            assert_same(one, other)
    elif isinstance(value, (np.ndarray, np.generic)):
        assert loaded.dtype == value.dtype and loaded.shape == value.shape and np.array_equal(loaded, value)
    else:
        assert loaded == value


def test_dict_comes_back_as_it_was_saved(tmp_path):
    nn.save_dict(tmp_path / "a.npy", VALUES)
    loaded = nn.load_dict(tmp_path / "a.npy")
    assert_same(loaded, VALUES)
    loaded["matrix"] += 1  # writable
    trusted = np.load(tmp_path / "a.npy", allow_pickle=True).item()
    assert_same({**trusted, "big_endian": VALUES["big_endian"]}, VALUES)  # NumPy itself turns the bytes round


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("module", [b"numpy.core", b"numpy._core"])
def test_dicts_of_numpy_1_and_2_and_of_older_protocols_load(tmp_path, module, protocol):
    values = {key: value for key, value in VALUES.items() if key != "empty"}  # protocol 2 writes b"" as a call
    content = pickle.dumps(np.array(values, dtype=object), protocol)
    for name in (b"numpy.core", b"numpy._core"):
        if name != module and name in content:  # write it as the other NumPy would have
            content = rename_module(content, name, module)
    write_npy(tmp_path / "a.npy", content)
    assert_same(nn.load_dict(tmp_path / "a.npy"), values)


def rename_module(content, old, new):
    """Rename a module in a pickle; protocol 4 gives the length of a name before it, and frames, which are optional."""
    full = [old + b".multiarray", new + b".multiarray"]
    if content[1] < 4:
        return content.replace(*full)
    content = content.replace(*(bytes([len(name)]) + name for name in full))
    assert content[2:3] == b"\x95"
    return content[:2] + content[11:]


def write_npy(path, content):
    """Put a pickle into a .npy file, behind the header of an object array of no dimensions."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(content)


class Call:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("function, arguments", [
    (os.system, ("touch {0}",)), (eval, ("open({0!r}, 'w')",)), (exec, ("open({0!r}, 'w')",)), (open, ("{0}", "w")),
    (getattr, ("{0}", "encode")), (np.load, ("{0}",)), (np.fromfile, ("{0}",)),
])
def test_malicious_pickles_are_refused_by_name_and_do_not_run(tmp_path, function, arguments):
    touched = tmp_path / "touched"
    attack = Call(function, *(a.format(str(touched)) if isinstance(a, str) else a for a in arguments))
    for content in (np.array({"W1": attack}, dtype=object), np.array([attack, 0], dtype=object)[:1].reshape(()),
                    {"W1": attack}, attack):
        write_npy(tmp_path / "a.npy", pickle.dumps(content, 4))
        with pytest.raises(nn.InputError, match=r"a\.npy: refused: it names \S+, which could run code"):
            nn.load_dict(tmp_path / "a.npy")
    assert not touched.exists()


def test_inner_arrays_of_objects_and_other_content_are_refused(tmp_path):
    for value in ({"W1": np.array([None, {}], dtype=object)}, {"W1": {1, 2}}, {1: 2}, [1], {"W1": np.ndarray}):
        write_npy(tmp_path / "a.npy", pickle.dumps(np.array(value, dtype=object).reshape(()) if value != [1] else value))
        with pytest.raises(nn.InputError):
            nn.load_dict(tmp_path / "a.npy")
    for write in (lambda f: np.save(f, np.ones(3)), lambda f: f.write(b""), lambda f: f.write(b"no numpy file")):
        with open(tmp_path / "a.npy", "wb") as file:
            write(file)
        with pytest.raises(nn.InputError, match="a.npy: "):
            nn.load_dict(tmp_path / "a.npy")


def test_cut_dicts_are_refused(tmp_path):
    nn.save_dict(tmp_path / "a.npy", VALUES)
    content = (tmp_path / "a.npy").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "a.npy").write_bytes(content[:length])
        with pytest.raises(nn.InputError, match="a.npy: "):
            nn.load_dict(tmp_path / "a.npy")


def test_original_files_load(original):
    assert nn.load_dict(original / "data.npy")["learning_rate"] == 0.035
    costs = nn.load_dict(original / "parameters.npy")["costs"]
    assert len(costs) == 4000 and costs[0].shape == () and round(float(costs[0]), 8) == 0.71261024
    for name in ("parameters.npy", "prun_parameters39.npy"):
        trusted = np.load(original / name, allow_pickle=True).item()
        for key, value in nn.load_parameters(original / name, 10800).items():
            assert np.array_equal(value, trusted[key])


# -------------------------------------------------------------------------------------------------- parameters

@pytest.mark.parametrize("change, what", [
    ({"W2": None}, "one output"), ({"W2": None, "W3": np.ones((1, 5))}, "W2 is missing"), ({"b1": None}, "b1 is missing"), ({"W1": np.ones((5, 9))}, "W1 has shape (5, 9)"),
    ({"b2": np.ones((4,))}, "b2"), ({"W2": np.full((1, 5), np.nan)}, "W2 holds NaN"), ({"W1": "text"}, "W1 is missing"),
    ({"b1": np.ones((4, 1))}, "b1 has shape (4, 1)"), ({"W1": np.ones((0, 12)), "b1": np.ones((0, 1))}, "W1 has shape"),
    ({"W2": np.ones((2, 5)), "b2": np.ones((2, 1))}, "one output"), ({"W1": np.ones((5, 12), complex)}, "real"),
])
def test_parameters_that_make_no_network_are_refused(tmp_path, change, what):
    parameters = {**nn.initialize_parameters((12, 5, 1), 1), **change}
    nn.save_parameters(tmp_path / "p.npy", {k: v for k, v in parameters.items() if v is not None}, [])
    with pytest.raises(nn.InputError) as error:
        nn.load_parameters(tmp_path / "p.npy", 12)
    assert what in str(error.value) and "p.npy: " in str(error.value)


# ------------------------------------------------------------------------------------------------ exported networks

def export(path, parameters):
    assert nn.export_parameters(path, parameters) == path.stat().st_size == nn.export_parameters(None, parameters)
    return path


def pruned_network(share=0.2):
    parameters = nn.initialize_parameters((50, 5, 4, 1), 1)
    random = np.random.RandomState(2)
    for name in ("W1", "W2"):
        parameters[name] *= random.rand(*parameters[name].shape) < share
    return parameters


@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_an_exported_network_comes_back_with_weights_rounded_to_float32(tmp_path, share):
    parameters = pruned_network(share)
    parameters["W1"][0, 0] = 1e-60  # 0 in float32: no connection any more
    path = export(tmp_path / "no ending", parameters)
    parameters["W1"][0, 0] = 0
    loaded = nn.load_parameters(path, 50)
    assert list(loaded) == list(parameters) and all(value.dtype == np.float64 for value in loaded.values())
    for name, value in parameters.items():
        assert np.array_equal(loaded[name], value.astype(np.float32) if name[0] == "W" else value)
    size = path.stat().st_size
    assert size < 1300 + 4 * sum((parameters[f"W{l}"] != 0).sum() for l in (1, 2, 3))
    assert export(tmp_path / "again", parameters).read_bytes() == path.read_bytes()


def test_a_weight_too_large_for_float32_is_not_exported(tmp_path):
    parameters = pruned_network()
    parameters["W2"][0, 0] = 1e39
    with pytest.raises(nn.InputError, match="a.npz: cannot be written, a weight is too large for float32"):
        nn.export_parameters(tmp_path / "a.npz", parameters)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes, what", [
    ({"layers": np.array([50, 5, 4, 2])}, "are not those of a network of layers"),
    ({"layers": np.array([50, -5, -4, 1])}, "are not those of a network of layers"),
    ({"layers": np.array([2**40, 2**40, 1])}, "are not those of a network of layers"),
    ({"layers": np.array([], np.int64)}, "are not those of a network of layers"),
    ({"layers": np.array([50.0, 5, 4, 1])}, "type float64 where"),
    ({"connections": np.zeros(35, np.uint8)}, "weights for 0 connections"),
    ({"connections": None}, "no item named 'connections.npy'"),
    ({"weights": np.zeros((3, 2), np.float32)}, r"holds an array of shape \(3, 2\)"),
    ({"biases": np.zeros(9)}, "are not those of a network of layers"),
    ({"biases": np.full(10, np.nan)}, "b1 holds NaN"),
    ({"weights": np.array([None, "x"], object)}, "type object where|buffer size"),
])
def test_files_that_are_no_exported_network_are_refused(tmp_path, changes, what):
    with np.load(export(tmp_path / "a.npz", pruned_network())) as whole:
        arrays = {name: changes.get(name, whole[name]) for name in whole}
    np.savez(tmp_path / "b.npz", **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(nn.InputError, match=f"b.npz: .*({what})"):
        nn.load_parameters(tmp_path / "b.npz", 50)
    with pytest.raises(nn.InputError, match="W1 has shape .5, 50., but 49 inputs come to it"):
        nn.load_parameters(tmp_path / "a.npz", 49)


def test_compressed_files_are_refused_before_they_are_unpacked(tmp_path):
    # 100 MB in 0.1 MB.
    np.savez_compressed(tmp_path / "bomb.npz", layers=np.array([10**8, 8, 1]), connections=np.zeros(10**8, np.uint8),
                        weights=np.zeros(0, np.float32), biases=np.zeros(9))
    with pytest.raises(nn.InputError, match="is compressed"):
        nn.load_parameters(tmp_path / "bomb.npz", 10**8)


# ------------------------------------------------------------------------------------------------------- data

@pytest.mark.parametrize("shape", [(20,), (20, 1), (1, 20)])
def test_labels_of_all_three_shapes_are_read(tmp_path, shape):
    path = write_data(tmp_path / "a.h5", y_train=(np.arange(20) % 3 == 0).astype(int).reshape(shape))
    X_train, Y_train, X_test, Y_test = nn.load_data(path)
    assert (X_train.shape, X_test.shape, Y_test.shape) == ((144, 20), (144, 8), (1, 8))
    assert np.array_equal(Y_train, [np.arange(20) % 3 == 0])
    with h5py.File(path) as file:
        assert np.array_equal(X_train[:, 3] * 255, file["X_train"][3].ravel())
    assert nn.picture_shape(path) == SHAPE


@pytest.mark.parametrize("changes, what", [
    ({"X_test": None}, "has no X_test"), ({"y_train": None}, "has no y_train"),
    ({"X_test": np.zeros((8, 6, 7, 3), np.uint8)}, "two kinds"), ({"y_test": np.zeros((7, 1))}, "y_test has shape"),
    ({"y_train": np.full((20, 1), 2)}, "0 and 1"), ({"X_train": np.zeros((20, 6, 8), np.uint8)}, "X_train has shape"),
])
def test_wrong_data_is_refused(tmp_path, changes, what):
    with pytest.raises(nn.InputError, match=f"a.h5: .*{what}"):
        nn.load_data(write_data(tmp_path / "a.h5", **changes))


def test_a_file_that_is_no_data_set_is_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"not HDF5")
    with pytest.raises(nn.InputError, match="a.h5: not an HDF5 file"):
        nn.load_data(tmp_path / "a.h5")


# ----------------------------------------------------------------------------------------------------- photos

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
        picture = Image.fromarray(GRADIENT).convert("RGB" if mode in ("P", "CMYK", "YCbCr", "RGBA") else "L").convert(mode)
    picture.save(path)
    read = nn.read_picture(path, SHAPE)
    assert read.shape == SHAPE and read.dtype == np.uint8
    expected = np.asarray(Image.fromarray(GRADIENT).convert("RGB").resize((8, 6)))
    assert np.abs(read.astype(int) - expected).max() <= (40 if mode == "1" else 6)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path):
    Image.fromarray(np.full((6, 8), 128 * 257, np.uint16)).save(tmp_path / "a.png")
    assert (nn.read_picture(tmp_path / "a.png", SHAPE) == 128).all()


@pytest.mark.parametrize("value, largest, expected", [(0.5, 1, 128), (100, 200, 100), (257 * 9, 65535, 9), (1e6, 2e6, 128),
                                                      (-5, 200, 0)])
def test_floating_point_photos_are_scaled_by_their_largest_pixel(tmp_path, value, largest, expected):
    pixels = np.full((60, 80), value, np.float32)
    pixels[-1, -1] = largest
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    assert (nn.read_picture(tmp_path / "a.tif", (60, 80, 3))[:30] == expected).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_photos_with_nan_or_infinity_are_errors(tmp_path, value):
    Image.fromarray(np.full((6, 8), value, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(nn.InputError, match="a.tif: cannot be read as a picture .it holds NaN or infinity"):
        nn.read_picture(tmp_path / "a.tif", SHAPE)


def test_transparency_is_laid_on_white(tmp_path):
    Image.new("RGBA", (8, 6), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (nn.read_picture(tmp_path / "a.png", SHAPE) == 255).all()
    palette = Image.new("P", (8, 6), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "p.png", transparency=1)
    assert (nn.read_picture(tmp_path / "p.png", SHAPE) == 255).all()


def test_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.array_equal(nn.read_picture(tmp_path / "a.gif", SHAPE)[0, 0], [255, 0, 0])


def test_exif_orientation_turns_the_photo_upright(tmp_path):
    upright = Image.fromarray(np.kron([[0, 80], [160, 240]], np.ones((3, 4))).astype(np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: to be shown turned by 90 degrees clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(nn.read_picture(tmp_path / "a.png", SHAPE)[:, :, 0], np.asarray(upright))


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(50), b"BM" + struct.pack("<I", 99)])
def test_what_is_no_picture_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(nn.InputError, match="a.png: cannot be read as a picture"):
        nn.read_picture(tmp_path / "a.png", SHAPE)


def test_truncated_photo_is_an_error(tmp_path):
    content = (ROOT / "photos_demo" / "0.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(nn.InputError, match="a.jpg: cannot be read as a picture"):
        nn.read_picture(tmp_path / "a.jpg", SHAPE)


def test_folders_are_listed_in_natural_order(tmp_path):
    for name in ("10.jpg", "2.JPG", "a10.png", "a9.png", "labels.csv", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [os.path.basename(path) for path in nn.list_pictures(tmp_path)] == ["2.JPG", "10.jpg", "a9.png", "a10.png"]


# ---------------------------------------------------------------------------------------------- files written whole

def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("old")

    def write(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nn.write_whole(tmp_path / "a", write)
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"
    nn.write_whole(tmp_path / "a", lambda file: file.write(b"new"))
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "new"


def test_writing_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "link").symlink_to("a")
    nn.write_whole(tmp_path / "link", lambda file: file.write(b"new"))
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a").read_text() == "new"


def test_what_is_not_a_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(nn.InputError, match="pipe: is not a file that could be replaced"):
        nn.write_whole(tmp_path / "pipe", lambda file: file.write(b"new"))
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
