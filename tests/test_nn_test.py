"""Photos judged by a script."""

import numpy as np
import pytest
from PIL import Image

from datasets.networks import save_parameters

from .conftest import ROOT, assert_figure, call, fail, network_that_says_car_above, run, succeed


@pytest.fixture
def options(small_data, tmp_path):
    """The options of a run with a network that says "car" above a mean brightness of 100."""
    save_parameters(tmp_path / "p.npy", network_that_says_car_above(100), [])
    return ["--data", small_data, "--parameters", tmp_path / "p.npy", "--figures", tmp_path / "figure"]


@pytest.fixture
def labelled(photos):
    """The folder of three photos with labels for two of them."""
    (photos / "labels.csv").write_text("file,label\n1.png,1\n10.png,1\n")
    yield photos
    (photos / "labels.csv").unlink()


def test_each_photo_gets_a_line_and_labels_give_a_score(options, labelled, tmp_path):
    text = succeed("nn_test.py", labelled, labelled / "2.png", *options)
    verdicts = [1 / (1 + np.exp(-10 * (value - 100) / 255)) for value in (0, 80, 160, 80)]
    expected = [f"{labelled / name}: {'car' if p > 0.5 else 'no car'} {p:.3f}"
                for name, p in zip(("1.png", "2.png", "10.png", "2.png"), verdicts)]
    expected[0] += " (wrong)"
    assert text.splitlines()[:5] == [*expected, "right: 1/2"]
    assert_figure(tmp_path / "figure" / "predict.png")


def test_good_photos_are_judged_and_bad_ones_listed(options, photos, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    finished = call("nn_test.py", tmp_path / "bad.jpg", photos / "10.png", tmp_path / "missing.jpg", *options)
    assert finished.returncode == 2 and f"{photos / '10.png'}: car" in finished.stdout
    bad, missing = finished.stderr.splitlines()
    assert bad.startswith(f"nn_test.py: {tmp_path / 'bad.jpg'}: cannot be read as a picture")
    assert missing == f"nn_test.py: {tmp_path / 'missing.jpg'}: No such file or directory"


def test_without_a_good_photo_there_is_no_figure(options, tmp_path):
    fail("nn_test.py", tmp_path / "missing.jpg", *options)
    assert not (tmp_path / "figure").exists()


@pytest.mark.parametrize("name", ["price_$5_and_$6.png", "x$\\frac$.png", "汽车 照片.png",
                                  b"bad\xff.png".decode(errors="surrogateescape")])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_photos_of_any_name_are_judged(options, tmp_path, name, encoding):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (8, 6)).save(folder / "1.png")
    (folder / "1.png").rename(folder / name)
    text = succeed("nn_test.py", folder, *options, run=run, PYTHONIOENCODING=encoding)
    assert ": no car 0.019\n" in text


def test_oversized_and_lying_photos_are_errors_that_name_them(options, tmp_path):
    Image.new("1", (20000, 10000)).save(tmp_path / "huge.png")
    lying = bytearray((ROOT / "photos_demo" / "0.jpg").read_bytes())
    at = lying.index(b"\xff\xc0") + 5
    lying[at:at + 4] = b"\xff\xff\xff\xff"  # 65535 x 65535 pixels
    (tmp_path / "lying.jpg").write_bytes(lying)
    finished = call("nn_test.py", tmp_path, ROOT / "photos_demo", *options)
    lines = finished.stderr.splitlines()
    assert finished.returncode == 2 and len(lines) == 2 and finished.stdout.count("photos_demo") == 27
    for line, name in zip(lines, ("huge.png", "lying.jpg")):
        assert line.startswith(f"nn_test.py: {tmp_path / name}: cannot be read as a picture")
        assert "exceeds limit" in line


@pytest.mark.parametrize("content", [b"file,label\n1.png,maybe\n", b"name\n1.png\n", b"\xff\xfe\x00",
                                     b"file,label\n1.png\n", b"\0"])
def test_labels_that_are_no_table_are_one_line(options, tmp_path, content):
    Image.new("RGB", (8, 6)).save(tmp_path / "1.png")
    (tmp_path / "labels.csv").write_bytes(content)
    assert fail("nn_test.py", tmp_path, *options).startswith(f"nn_test.py: {tmp_path / 'labels.csv'}: not a table")
    assert not (tmp_path / "figure").exists()
