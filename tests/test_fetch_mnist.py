"""datasets/fetch_mnist.py, with a folder of this computer as the mirror."""

import gzip
import hashlib

import pytest

from datasets import fetch_mnist
from datasets.mnist import load_mnist

from .conftest import call, fail, succeed
from .test_mnist import NAMES, digits, idx

CONTENTS = dict(zip(NAMES, map(idx, (*digits(30), *digits(7, seed=1)))))
TEST_IMAGES = CONTENTS[NAMES[2]]


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """A mirror of four small files, which are those that are looked for."""
    monkeypatch.setattr(fetch_mnist, "SHA256", {
        name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()})
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, content in CONTENTS.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    return folder


def kept(folder):
    """The content of each file in a folder, by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fetch(mirror, out, run=succeed):
    return run("datasets.fetch_mnist", "--mirror", mirror.as_uri(), "--out", out)


def test_the_four_files_are_kept_unpacked_and_the_next_step_is_said(mirror, tmp_path):
    out = tmp_path / "new" / "mnist"
    printed = fetch(mirror, out)
    assert kept(out) == CONTENTS
    assert printed.splitlines()[4:8] == [f"{out}/{name}: {len(CONTENTS[name])} bytes, checked" for name in NAMES]
    assert printed.endswith(f"    python -m figure.lenet --data {out}\n")
    assert load_mnist(out).X_train.shape == (784, 30)


@pytest.mark.parametrize("answer, what", [
    (None, "<urlopen error "), (b"<html>Please log in.</html>", "not a gzip file, or a damaged one"),
    (gzip.compress(TEST_IMAGES[:-1] + b"x"), "not the expected file: its SHA-256, unpacked, is "),
], ids=range(3))
def test_a_mirror_that_fails_is_one_line_and_nothing_is_kept_of_it(mirror, tmp_path, answer, what):
    path = mirror / f"{NAMES[2]}.gz"
    path.unlink()
    if answer is not None:
        path.write_bytes(answer)
    line = fetch(mirror, tmp_path / "new" / "mnist", fail)
    assert line.startswith(f"fetch_mnist.py: {path.as_uri()}: {what}")
    assert line.endswith(f"; try --mirror {fetch_mnist.MIRRORS[0]}") and not (tmp_path / "new").exists()


def test_what_is_there_already_is_not_downloaded_again(mirror, tmp_path):
    out = tmp_path / "mnist"
    out.mkdir()
    (out / f"{NAMES[0]}.gz").write_bytes(gzip.compress(CONTENTS[NAMES[0]], 1))
    assert f"{NAMES[0]}.gz: already there, checked\n" in fetch(mirror, out)
    before = kept(out)
    for path in mirror.iterdir():
        path.unlink()
    printed = fetch(mirror, out)
    assert printed.count("already there, checked\n") == 4 and "python -m figure.lenet" in printed
    assert kept(out) == before and sorted(before) == sorted([f"{NAMES[0]}.gz", *NAMES[1:]])


@pytest.mark.parametrize("name", [f"{NAMES[1]}.gz", NAMES[1].replace("-idx", ".idx")])
def test_files_of_another_data_set_stay(mirror, tmp_path, name):
    """Fashion-MNIST has files of the same names."""
    out = tmp_path / "fashion"
    out.mkdir()
    content = idx(digits(30, seed=5)[1])
    (out / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    before = kept(out)
    line = fetch(mirror, out, call).stderr
    assert line == (f"fetch_mnist.py: {out / name}: is not MNIST's, or damaged; name another folder with --out, or "
                    "remove it\n")
    assert kept(out) == before
