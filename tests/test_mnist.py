"""datasets/mnist.py: IDX files, honest, damaged and made to do harm; and the four of MNIST together."""

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from datasets import mnist
from datasets.mnist import load_mnist, read_idx
from datasets.user_input import InputError

from .conftest import ROOT, needs_posix

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SHARED = ROOT.parent / "shared" / "mnist"


@pytest.fixture
def real():
    """The folder of MNIST's own files, which are not in the project."""
    if not SHARED.exists():
        pytest.skip("the files of MNIST are not here: ../shared/mnist")
    return SHARED


def idx(values, magic=None):
    """The bytes of an IDX file."""
    magic = {3: 2051, 1: 2049}[values.ndim] if magic is None else magic
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.astype(np.uint8).tobytes()


def digits(m, seed=0):
    """Pictures and labels of m digits, as they are stored."""
    random = np.random.RandomState(seed)
    return random.randint(0, 256, (m, 28, 28)).astype(np.uint8), random.randint(0, 10, m).astype(np.uint8)


def write_mnist(folder, m=30, m_test=7, **changes):
    """Write four small files, the first two gzipped. changes : train_images, t10k_labels, ...: other values."""
    folder.mkdir()
    stored = dict(zip(NAMES, (*digits(m), *digits(m_test, seed=1))))
    for name, values in stored.items():
        content = idx(changes.get("_".join(name.split("-")[:2]), values))
        if name.startswith("train"):
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return list(stored.values())


def short(value):
    """A value in a test's name: the bytes of a file would be too long, and gzip writes the time into them."""
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)


def refused(function, *arguments):
    """The line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return str(caught.value)


# --------------------------------------------------------------------------------------------------- IDX files

@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("values", [*digits(5), np.zeros((2, 3, 4), np.uint8), np.array([9])])
def test_what_is_stored_is_read_gzipped_or_not(tmp_path, pack, values):
    (tmp_path / "any name").write_bytes(pack(idx(values)))
    read = read_idx(tmp_path / "any name")
    assert read.dtype == np.uint8 and read.shape == values.shape and (read == values).all()


PICTURES, LABELS = idx(digits(5)[0]), idx(digits(5)[1])


@pytest.mark.parametrize("content, what", [
    (b"", "has only 0 bytes"), (PICTURES[:3], "has only 3 bytes"), (PICTURES[:15], "less than its header of 16"),
    (LABELS[:7], "less than its header of 8"),
    (b"no IDX file at all", "its magic number is 1852776521, neither 2051 (pictures) nor 2049 (labels)"),
    (idx(digits(5)[0], magic=2050), "its magic number is 2050"), (PICTURES[:4][::-1] + PICTURES[4:], "magic number"),
    (PICTURES[:-1], "has 3935 bytes, but a header that declares 5 x 28 x 28 values, 3936 bytes in all"),
    (PICTURES + b"\0", "has 3937 bytes"), (LABELS[:-1], "declares 5 values, 13 bytes in all"),
    (LABELS + b"\0", "has 14 bytes"),
    (struct.pack(">4I", 2051, 2**32 - 1, 2**32 - 1, 2**32 - 1), f"{(2**32 - 1)**3 + 16} bytes in all"),
    (struct.pack(">4I", 2051, 2**31, 2**31, 4), f"{2**64 + 16} bytes in all"),  # 2**64 is 0 in 64 bits
    (struct.pack(">4I", 2051, 0, 28, 28), "declares 0 x 28 x 28 values, which is none"),
    (struct.pack(">4I", 2051, 2**32 - 1, 2**32 - 1, 0), "which is none"),
    (struct.pack(">2I", 2049, 0), "declares 0 values, which is none"),
    (idx(np.array([0, 9, 10])), "holds the label 10, not only 0 to 9"), (idx(np.array([255])), "the label 255"),
], ids=short)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_does_not_fit_is_refused(tmp_path, pack, content, what):
    path = tmp_path / "file"
    path.write_bytes(pack(content))
    line = refused(read_idx, path)
    assert line.startswith(f"{path}: ") and what in line


PACKED = gzip.compress(PICTURES)


@pytest.mark.parametrize("content, what", [
    (PACKED[:-1], "is cut off"), (PACKED[:100], "is cut off"), (PACKED[:2], "is cut off"),
    (PACKED + b"\0", "goes on after the end"), (PACKED + PACKED, "goes on after the end"),
    (PACKED[:100] + bytes([PACKED[100] ^ 1]) + PACKED[101:], "not an IDX file, or a damaged one (Error -3 "),
    (PACKED[:-8] + bytes(4) + PACKED[-4:], "incorrect data check"), (gzip.compress(PACKED), "its magic number is"),
    (b"\x1f\x8bnothing that gzip knows", "not an IDX file, or a damaged one"),
], ids=short)
def test_damaged_gzip_is_refused(tmp_path, content, what):
    (tmp_path / "file").write_bytes(content)
    assert what in refused(read_idx, tmp_path / "file")


def test_a_chunk_that_ends_with_the_gzipped_data_is_not_the_end_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "CHUNK", len(PACKED))
    (tmp_path / "file").write_bytes(PACKED + b"\0")
    assert "goes on after the end" in refused(read_idx, tmp_path / "file")


def test_not_more_memory_than_the_largest_file_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "LARGEST", 10**6)
    honest, bomb, large = tmp_path / "honest", tmp_path / "bomb", tmp_path / "large"
    honest.write_bytes(gzip.compress(idx(np.zeros((10**6 - 16, 1, 1)))))
    bomb.write_bytes(gzip.compress(idx(np.zeros((10**8, 1, 1), np.uint8)), 1))
    with open(large, "wb") as file:
        file.truncate(10**9)
    tracemalloc.start()
    try:
        assert read_idx(honest).shape == (10**6 - 16, 1, 1)
        assert "unpacks to more than 1000000 bytes" in refused(read_idx, bomb)
        assert "is larger than 1000000 bytes" in refused(read_idx, large)
        assert tracemalloc.get_traced_memory()[1] < 4 * 10**6
    finally:
        tracemalloc.stop()


def test_the_largest_file_of_mnist_may_be_read():
    assert 47_040_016 <= mnist.LARGEST < 50_000_000


@needs_posix
def test_only_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        assert f"{path}: is not a file" in refused(read_idx, path)


def test_random_damage_is_refused_or_read(tmp_path):
    """Whatever the bytes are, there comes an array of digits or the one line, and no other error."""
    random = np.random.RandomState(1)
    honest = [PICTURES, LABELS, PACKED, gzip.compress(LABELS)]
    outcomes = {"read": 0, "refused": 0}
    for case in range(400):
        content = bytearray(honest[case % 4])
        for _ in range(random.randint(1, 4)):
            at = random.randint(len(content)) if random.randint(2) else random.randint(min(20, len(content)))
            match random.randint(4):
                case 0:
                    content[at] = random.randint(256)
                case 1:
                    content[at] ^= 1 << random.randint(8)
                case 2:
                    del content[at + 1:]
                case 3:
                    content[at:at] = random.bytes(random.randint(1, 9))
        (tmp_path / "file").write_bytes(content)
        try:
            values = read_idx(tmp_path / "file")
        except InputError as error:
            assert str(error).startswith(f"{tmp_path / 'file'}: ") and "\n" not in str(error)
            outcomes["refused"] += 1
        else:
            assert values.dtype == np.uint8 and values.size
            assert values.ndim == 3 or values.ndim == 1 and values.max() < 10
            outcomes["read"] += 1
    assert min(outcomes.values()) > 20, outcomes


# --------------------------------------------------------------------------------------------------- four files

def test_pictures_are_columns_and_labels_are_one_hot(tmp_path):
    pictures, labels, test_pictures, test_labels = write_mnist(tmp_path / "mnist")
    data = load_mnist(tmp_path / "mnist")
    for X, Y, stored, digit in ((data.X_train, data.Y_train, pictures, labels),
                                (data.X_test, data.Y_test, test_pictures, test_labels)):
        assert X.shape == (784, len(stored)) and X.dtype == np.uint8
        assert all((X[:, i].reshape(28, 28) == stored[i]).all() for i in range(len(stored)))
        assert Y.shape == (10, len(stored)) and Y.dtype == np.float32
        assert np.array_equal(Y, np.eye(10)[:, digit])
        assert X.base is not None and X.T.flags.c_contiguous  # not copied, and one picture after the other


def test_held_out_digits_stand_in_the_place_of_the_test_digits(tmp_path):
    write_mnist(tmp_path / "mnist")
    whole = load_mnist(tmp_path / "mnist")
    for path in (tmp_path / "mnist").glob("t10k*"):
        path.unlink()  # they are not even looked at
    data = load_mnist(tmp_path / "mnist", held_out=10)
    assert data.X_train.shape == (784, 20) and data.X_test.shape == (784, 10)
    assert (np.hstack([data.X_train, data.X_test]) == whole.X_train).all()
    assert (np.hstack([data.Y_train, data.Y_test]) == whole.Y_train).all()


@pytest.mark.parametrize("held_out", [30, 31, -1])
def test_what_cannot_be_held_out_is_refused(tmp_path, held_out):
    write_mnist(tmp_path / "mnist")
    assert f"mnist: {held_out} of its 30 training digits cannot be held out" in refused(
        load_mnist, tmp_path / "mnist", held_out)


@pytest.mark.parametrize("changes, what", [
    ({"train_labels": digits(29)[1]},
     "train-labels-idx1-ubyte.gz: holds values of shape (29,), not a label for each of the 30 pictures"),
    ({"t10k_labels": digits(8)[1]}, "t10k-labels-idx1-ubyte: holds values of shape (8,)"),
    ({"t10k_labels": digits(7)[0]}, "t10k-labels-idx1-ubyte: holds values of shape (7, 28, 28), not a label for each"),
    ({"t10k_images": digits(7)[1]}, "t10k-images-idx3-ubyte: holds values of shape (7,), not pictures of 28 x 28"),
    ({"train_images": digits(30)[0][:, 1:]}, "train-images-idx3-ubyte.gz: holds values of shape (30, 27, 28), not"),
], ids=short)
def test_files_that_do_not_go_together_are_refused(tmp_path, changes, what):
    write_mnist(tmp_path / "mnist", **changes)
    assert refused(load_mnist, tmp_path / "mnist").startswith(f"{tmp_path / 'mnist'}/{what}")


def test_a_missing_folder_or_file_says_how_to_get_it(tmp_path):
    folder = str(tmp_path / "my mnist")
    get = f"`python -m datasets.fetch_mnist --out '{folder}'` gets it"
    assert refused(load_mnist, folder) == f"{folder}: has no train-images-idx3-ubyte; {get}"
    write_mnist(tmp_path / "my mnist")
    (tmp_path / "my mnist" / "t10k-labels-idx1-ubyte").unlink()
    assert refused(load_mnist, folder) == f"{folder}: has no t10k-labels-idx1-ubyte; {get}"


def test_the_default_folder_is_the_one_that_is_fetched_and_git_ignores_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(load_mnist).endswith("; `python -m datasets.fetch_mnist` gets it")
    assert f"{mnist.MNIST}/" in (ROOT / ".gitignore").read_text().split()


def test_the_real_digits(real):
    data = load_mnist(real)
    assert [part.shape for part in data] == [(784, 60000), (10, 60000), (784, 10000), (10, 10000)]
    assert data.X_train.mean() == pytest.approx(33.318, abs=1e-3)  # 0.1307 of 255, as everybody's
    assert list(data.Y_train[:, :5].argmax(0)) == [5, 0, 4, 1, 9]
    assert list(data.Y_test[:, :5].argmax(0)) == [7, 2, 1, 0, 4]
    assert load_mnist(real, held_out=10000).X_test[:, -1].tolist() == data.X_train[:, -1].tolist()
