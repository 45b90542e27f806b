"""HDF5 files: nothing is read from elsewhere, by plugins, or of another kind than was expected."""

import os

import h5py
import numpy as np
import pytest

from datasets.hdf5 import open_hdf5, stored_array
from datasets.pictures import load_data
from datasets.user_input import InputError

from .conftest import fail, needs_posix, write_data

SHAPE = (20, 6, 8, 3)


def virtual(source):
    """A data set that is made of another file's, or of itself."""
    def make(file):
        layout = h5py.VirtualLayout(SHAPE, np.uint8)
        layout[:] = h5py.VirtualSource(source, "X_train", SHAPE)
        file.create_virtual_dataset("X_train", layout)
    return make


def external_storage(file):
    raw = os.path.join(os.path.dirname(file.filename), "raw")
    with open(raw, "wb") as other:
        other.write(bytes(20 * 144))
    file.create_dataset("X_train", SHAPE, np.uint8, external=[(raw, 0, h5py.h5f.UNLIMITED)])


def soft_link_out_of_the_file(file):
    file["group"] = h5py.ExternalLink("other.h5", "/")
    file["X_train"] = h5py.SoftLink("/group/X_train")


@pytest.mark.parametrize("make, what", [
    (lambda file: file.__setitem__("X_train", h5py.ExternalLink("other.h5", "X_train")), "is a link"),
    (soft_link_out_of_the_file, "is a link"), (external_storage, "lies in other files"),
    (virtual("other.h5"), "lies in other files"), (virtual("."), "lies in other files"),
])
def test_other_files_are_not_read(tmp_path, make, what):
    write_data(tmp_path / "other.h5")
    with h5py.File(write_data(tmp_path / "a.h5", X_train=None), "a") as file:
        make(file)
    with pytest.raises(InputError, match=f"a.h5: X_train {what}"):
        load_data(tmp_path / "a.h5")


@pytest.mark.parametrize("options, what", [({"fletcher32": True}, "filter 3 .fletcher32"),
                                           ({"scaleoffset": 0}, "filter 6 .scaleoffset")])
def test_other_filters_are_refused(tmp_path, options, what):
    with h5py.File(write_data(tmp_path / "a.h5", X_train=None), "a") as file:
        file.create_dataset("X_train", data=np.zeros(SHAPE, np.uint8), **options)
    with pytest.raises(InputError, match=f"a.h5: X_train is packed with {what}"):
        load_data(tmp_path / "a.h5")


@pytest.mark.parametrize("options", [{"compression": "gzip", "shuffle": True}, {"compression": "lzf"},
                                     {"maxshape": (None, 6, 8, 3), "chunks": (1000, 6, 8, 3)}])
def test_what_h5py_writes_itself_is_read(tmp_path, options):
    X = np.random.RandomState(0).randint(0, 256, SHAPE).astype(np.uint8)
    with h5py.File(write_data(tmp_path / "a.h5", X_train=None), "a") as file:
        file.create_dataset("X_train", data=X, **options)
        file["other"] = h5py.ExternalLink("missing.h5", "/")  # whatever else is in the file is not looked at
        file["X_train"].attrs["other"] = np.array(["x"] * 3, h5py.string_dtype())
    assert np.array_equal(load_data(tmp_path / "a.h5").X_train.T.reshape(SHAPE) * 255, X)


@pytest.mark.parametrize("kind", [h5py.string_dtype(), h5py.vlen_dtype(np.int32), h5py.ref_dtype,
                                  np.dtype([("a", "u1")]), np.dtype("V3"), np.dtype(complex)])
def test_what_holds_no_numbers_is_refused_before_it_is_read(tmp_path, kind, monkeypatch):
    with h5py.File(write_data(tmp_path / "a.h5", y_train=None), "a") as file:
        file.create_dataset("y_train", (20,), kind)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda *_: pytest.fail("it was read"))
    with pytest.raises(InputError, match="a.h5: y_train holds .*, not numbers"):
        load_data(tmp_path / "a.h5")


def test_numbers_in_subarrays_are_refused(tmp_path):
    with h5py.File(write_data(tmp_path / "a.h5", y_train=None), "a") as file:
        h5py.h5d.create(file.id, b"y_train", h5py.h5t.array_create(h5py.h5t.NATIVE_INT8, (2,)),
                        h5py.h5s.create_simple((20,)))
    with pytest.raises(InputError, match="a.h5: y_train holds .*, not numbers"):
        load_data(tmp_path / "a.h5")


def test_labels_of_another_shape_are_refused_before_they_are_read(tmp_path, monkeypatch):
    write_data(tmp_path / "a.h5", y_train=np.zeros((20, 20)))
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda *_: pytest.fail("it was read"))
    with pytest.raises(InputError, match="a.h5: y_train has shape"):
        load_data(tmp_path / "a.h5")


def test_a_chunk_far_larger_than_the_data_is_refused(tmp_path):
    with h5py.File(write_data(tmp_path / "a.h5", X_train=None), "a") as file:
        file.create_dataset("X_train", data=np.zeros(SHAPE, np.uint8), maxshape=(None, 6, 8, 3), compression="gzip",
                            chunks=(2**20, 6, 8, 3))
    with pytest.raises(InputError, match=r"a.h5: declares chunks of shape \(1048576, 6, 8, 3\) in X_train"):
        load_data(tmp_path / "a.h5")


@pytest.mark.parametrize("make, what", [
    (lambda file: file.create_group("X_train"), "has no X_train, but a group or a type"),
    (lambda file: file.__setitem__("X_train", np.dtype("u1")), "has no X_train, but a group or a type"),
    (lambda file: file.create_dataset("X_train", data=h5py.Empty("u1")), "X_train is empty"),
])
def test_what_is_no_array_is_refused(tmp_path, make, what):
    with h5py.File(write_data(tmp_path / "a.h5", X_train=None), "a") as file:
        make(file)
    with open_hdf5(tmp_path / "a.h5") as file, pytest.raises(InputError, match=what):
        stored_array(file, "X_train")


@needs_posix
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / "a.h5")
    assert fail("nn_main.py", "--data", tmp_path / "a.h5").startswith(
        f"nn_main.py: {tmp_path / 'a.h5'}: is not a file")
