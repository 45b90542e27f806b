"""Photos of every kind; folders of photos, and their labels."""

import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from datasets import photos as photos_module
from datasets.photos import find_photos, photo_labels, read_picture
from datasets.user_input import InputError

from .conftest import ROOT

SHAPE = (6, 8, 3)

GRADIENT = np.add.outer(np.arange(60) * 2, np.arange(80)).astype(np.uint8)  # 60 x 80, from 0 to 197


@pytest.mark.parametrize("mode, ending", [
    ("RGB", "png"), ("RGBA", "png"), ("LA", "png"), ("P", "gif"), ("1", "png"), ("CMYK", "jpg"), ("I;16", "png"),
    ("I", "tif"), ("F", "tif"),
])
def test_photos_of_every_mode_look_the_same(tmp_path, mode, ending):
    path = tmp_path / f"photo.{ending}"
    if mode == "I;16":
        picture = Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    else:
        colour = mode in ("P", "CMYK", "YCbCr", "RGBA")
        picture = Image.fromarray(GRADIENT).convert("RGB" if colour else "L").convert(mode)
    picture.save(path)
    read = read_picture(path, SHAPE)
    assert read.shape == SHAPE and read.dtype == np.uint8
    expected = np.asarray(Image.fromarray(GRADIENT).convert("RGB").resize((8, 6)))
    assert np.abs(read.astype(int) - expected).max() <= (40 if mode == "1" else 6)


@pytest.mark.parametrize("ending", [".avif", ".bmp", ".gif", ".jp2", ".JPG", ".png", ".ppm", ".tga", ".tiff", ".webp"])
def test_pictures_of_every_ending_are_found_and_read(tmp_path, ending):
    if ending.lower() not in Image.registered_extensions():
        pytest.skip("this Pillow does not know the format")
    Image.new("RGB", (80, 60), (90, 90, 90)).save(tmp_path / f"a{ending}")
    assert find_photos([str(tmp_path)]) == ([str(tmp_path / f"a{ending}")], [])
    assert np.abs(read_picture(tmp_path / f"a{ending}", SHAPE).astype(int) - 90).max() <= 2


@pytest.mark.parametrize("value, largest, expected", [(0.5, 1, 128), (100, 200, 100), (257 * 9, 65535, 9),
                                                      (1e6, 2e6, 128)])
def test_floating_point_photos_are_scaled_by_their_largest_pixel(tmp_path, value, largest, expected):
    pixels = np.full((60, 80), value, np.float32)
    pixels[-1, -1] = largest
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    assert (read_picture(tmp_path / "a.tif", (60, 80, 3))[:30] == expected).all()


def test_transparency_is_laid_on_white(tmp_path):
    Image.new("RGBA", (8, 6), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", SHAPE) == 255).all()
    palette = Image.new("P", (8, 6), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "p.png", transparency=1)
    assert (read_picture(tmp_path / "p.png", SHAPE) == 255).all()


def test_exif_orientation_turns_the_photo_upright(tmp_path):
    upright = Image.fromarray(np.kron([[0, 80], [160, 240]], np.ones((3, 4))).astype(np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: to be shown turned by 90 degrees clockwise
    for name in ("a.png", "a.tif"):
        upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / name, exif=exif)
        assert np.array_equal(read_picture(tmp_path / name, SHAPE)[:, :, 0], np.asarray(upright))


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n"  # Pillow hands it to a program


@pytest.mark.parametrize("content, what", [
    (b"\0\0\0\x18ftypheic" + bytes(400), "in none of the formats JPEG, PNG, or damaged; for HEIC photos pip install"),
    (EPS, "in none of the formats JPEG, PNG"), ((ROOT / "photos_demo" / "0.jpg").read_bytes()[:5000], ".*runcated")])
def test_what_cannot_be_read_is_an_error_that_names_it(tmp_path, content, what, monkeypatch):
    monkeypatch.setattr(photos_module, "formats", lambda: ["JPEG", "PNG"])
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=f"a.jpg: cannot be read as a picture .{what}"):
        read_picture(tmp_path / "a.jpg", SHAPE)


# ------------------------------------------------------------------------------------------- folders and labels

def test_folders_are_listed_in_natural_order(tmp_path):
    for name in ("10.jpg", "2.JPG", "a10.png", "a9.png", "labels.csv", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).touch()
    paths, notes = find_photos([tmp_path])
    assert [os.path.basename(path) for path in paths] == ["2.JPG", "10.jpg", "a9.png", "a10.png"]
    assert notes == [f"{tmp_path}: not read: 1 .txt"]


def test_a_pattern_that_the_shell_left_is_expanded_unless_a_file_has_that_name(tmp_path, monkeypatch):
    (tmp_path / "my photos").mkdir()
    for name in ("10.png", "2.png", "2.txt", "[1].png"):
        (tmp_path / "my photos" / name).touch()
    monkeypatch.chdir(tmp_path / "my photos")
    assert find_photos(["*.png"]) == (["2.png", "10.png", "[1].png"], [])
    assert find_photos(["?.png", "[1].png", "*.gif"]) == (["2.png", "[1].png", "*.gif"], [])


@pytest.fixture
def sorted_photos(tmp_path):
    """A folder like `my_photos/test`, of empty files: none of these functions opens a photo."""
    for name in ("car/2.jpg", "car/10.jpg", "nocar/1.jpg", "other/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_stands_for_its_folders_car_and_nocar(sorted_photos):
    def found(folder):
        return [os.path.relpath(path, folder) for path in find_photos([folder])[0]]

    assert found(sorted_photos) == ["car/2.jpg", "car/10.jpg", "nocar/1.jpg"]
    (sorted_photos / "0.jpg").touch()
    assert found(sorted_photos) == ["0.jpg", "car/2.jpg", "car/10.jpg", "nocar/1.jpg"]
    (sorted_photos / "empty" / "car").mkdir(parents=True)
    (sorted_photos / "empty" / "a.mp4").touch()
    with pytest.raises(InputError, match="empty: holds no pictures; .*empty: not read: 1 .mp4$"):
        find_photos([sorted_photos / "empty"])


def test_labels_come_from_labels_csv_and_else_from_the_folder(sorted_photos, monkeypatch):
    paths = [os.path.join(sorted_photos, name) for name in ("car/2.jpg", "car/10.jpg", "nocar/1.jpg", "other/3.jpg")]
    assert photo_labels(paths) == ([1, 1, 0, None], [])
    (sorted_photos / "car" / "labels.csv").write_text("file,label\n10.jpg,0\n")
    (sorted_photos / "other" / "labels.csv").write_text("\ufeffnote,label,file\nx, 1 ,3.jpg\n", encoding="utf-8")
    assert photo_labels(paths)[0] == [1, 0, 0, 1]
    monkeypatch.chdir(sorted_photos / "car")
    assert photo_labels(["2.jpg", "./10.jpg", "../nocar/1.jpg"]) == ([1, 0, 0], [])


@pytest.mark.parametrize("content, what", [
    (b"file|label\n1.png|1\n", "not a table with the columns file and label, but with 'file|label'"),
    (b"file,label\n1.png,maybe\n", "row 2: 1.png has the label 'maybe', not 0 or 1, nocar or car"),
    (b"file;label\n1.png;1\n2.png;0\n1.png;0\n", "row 4: 1.png had another label before"),
    ("file,label\né.jpg,1\n".encode("utf-16"), "has another encoding than UTF-8; save it as CSV UTF-8"),
])
def test_labels_that_are_no_table_are_refused(tmp_path, content, what):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(InputError) as error:
        photo_labels([str(tmp_path / "1.png")])
    assert str(error.value).startswith(f"{tmp_path / 'labels.csv'}: {what}")


@pytest.mark.parametrize("table", ["file,label\n1.png,1\n2.png,0\né.png,1\n",
                                   "\ufeffFile;Label\r\n1.png;1.0\r\n2.png;0.0\r\n;\r\né.png;1.0\r\n",
                                   "id\t label\tfile \r1\tCar\t1.png\r2\tnocar\t2.png\r3\tTrue\té.png\r"])
def test_tables_of_spreadsheets_are_read(table, tmp_path):
    """Typed on a PC, the photos from a Mac: an é is one character, or two."""
    (tmp_path / "labels.csv").write_bytes(unicodedata.normalize("NFC", table).encode())
    names = ("1.png", "2.png", unicodedata.normalize("NFD", "é.png"), "4.png")
    assert photo_labels([str(tmp_path / name) for name in names])[0] == [1, 0, 1, None]


def test_what_is_not_used_is_counted(sorted_photos, monkeypatch):
    monkeypatch.setattr(photos_module, "formats", lambda: ["JPEG", "PNG"])
    car = sorted_photos / "car"
    for name in ("a.HEIC", "b.heif", "c.mp4", "d.MP4", "README", "Thumbs.db", ".DS_Store", "._2.jpg", "desktop.ini"):
        (car / name).touch()
    (sorted_photos / "nocar" / "labels.csv").write_text("file,label\n1.jpg,0\n")
    (sorted_photos / "other" / "labels.csv").write_text("file,label\n" + "".join(f"x{i}.jpg,1\n" for i in range(5)))
    paths, unread = find_photos([sorted_photos, sorted_photos / "other", car / "2.jpg"])
    assert [*unread, *photo_labels(paths)[1]] == [
        f"{sorted_photos}: not read: 1 folders",
        f"{car}: not read: 1 without ending, 1 .heic, 1 .heif, 2 .mp4; {photos_module.HEIC_HELP}",
        f"{sorted_photos / 'other' / 'labels.csv'}: 5 rows without a photo: x0.jpg, x1.jpg, x2.jpg, ...",
        f"{sorted_photos / 'other' / 'labels.csv'}: 1 photos without a row: 3.jpg"]


def test_photos_of_phones_are_read_if_pillow_heif_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    Image.fromarray(GRADIENT).convert("RGB").save(tmp_path / "a.HEIC")
    assert find_photos([str(tmp_path)]) == ([str(tmp_path / "a.HEIC")], [])
    assert np.abs(read_picture(tmp_path / "a.HEIC", (60, 80, 3)).astype(int) - GRADIENT[:, :, None]).max() <= 20
