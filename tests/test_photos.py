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
    ("RGB", "png"), ("RGBA", "png"), ("L", "png"), ("LA", "png"), ("P", "gif"), ("1", "png"), ("CMYK", "jpg"),
    ("YCbCr", "jpg"), ("I;16", "png"), ("I;16", "tif"), ("I", "tif"), ("F", "tif"),
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


@pytest.mark.parametrize("ending", [".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".JPG", ".pgm", ".png", ".ppm",
                                    ".tga", ".tif", ".tiff", ".webp"])
def test_pictures_of_every_ending_are_found_and_read(tmp_path, ending):
    if ending.lower() not in Image.registered_extensions():
        pytest.skip("this Pillow does not know the format")
    grey = ending == ".pgm"
    Image.new("L" if grey else "RGB", (80, 60), 90 if grey else (90, 90, 90)).save(tmp_path / f"a{ending}")
    assert find_photos([str(tmp_path)]) == ([str(tmp_path / f"a{ending}")], [])
    assert np.abs(read_picture(tmp_path / f"a{ending}", SHAPE).astype(int) - 90).max() <= 2


@pytest.mark.parametrize("value, largest, expected", [(0.5, 1, 128), (100, 200, 100), (257 * 9, 65535, 9),
                                                      (1e6, 2e6, 128), (-5, 200, 0)])
def test_floating_point_photos_are_scaled_by_their_largest_pixel(tmp_path, value, largest, expected):
    pixels = np.full((60, 80), value, np.float32)
    pixels[-1, -1] = largest
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    assert (read_picture(tmp_path / "a.tif", (60, 80, 3))[:30] == expected).all()


def test_photos_with_nan_are_errors(tmp_path):
    Image.fromarray(np.full((6, 8), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="a.tif: cannot be read as a picture .it holds NaN or infinity"):
        read_picture(tmp_path / "a.tif", SHAPE)


def test_transparency_is_laid_on_white(tmp_path):
    Image.new("RGBA", (8, 6), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", SHAPE) == 255).all()
    palette = Image.new("P", (8, 6), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "p.png", transparency=1)
    assert (read_picture(tmp_path / "p.png", SHAPE) == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "MPO"])
def test_the_first_frame_is_read(tmp_path, kind):
    frames = [Image.new("RGB", (80, 60), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:])
    assert np.abs(read_picture(tmp_path / "a", SHAPE)[0, 0].astype(int) - (255, 0, 0)).max() <= 2


def test_exif_orientation_turns_the_photo_upright(tmp_path):
    upright = Image.fromarray(np.kron([[0, 80], [160, 240]], np.ones((3, 4))).astype(np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: to be shown turned by 90 degrees clockwise
    for name in ("a.png", "a.tif"):
        upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / name, exif=exif)
        assert np.array_equal(read_picture(tmp_path / name, SHAPE)[:, :, 0], np.asarray(upright))


def test_a_picture_of_too_many_pixels_is_refused_with_the_limit(tmp_path):
    Image.new("1", (9500, 9500)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="a.png: cannot be read .*exceeds limit of 89478485 pixels"):
        read_picture(tmp_path / "a.png", SHAPE)


@pytest.mark.parametrize("content", [b"", b"no picture", (ROOT / "photos_demo" / "0.jpg").read_bytes()[:5000]])
def test_what_is_no_whole_picture_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match="a.png: cannot be read as a picture"):
        read_picture(tmp_path / "a.png", SHAPE)


def test_formats_that_pillow_hands_to_a_program_are_not_read(tmp_path):
    (tmp_path / "a.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n")
    with pytest.raises(InputError, match="a.jpg: cannot be read as a picture .in none of the formats .*BMP"):
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
    monkeypatch.chdir(tmp_path)
    assert find_photos([os.path.join("my photos", "1*.png")]) == ([os.path.join("my photos", "10.png")], [])


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
    with pytest.raises(InputError, match="empty: holds no pictures"):
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
    (b"name\n1.png\n", "not a table with the columns file and label, but with 'name'"),
    (b"", "not a table with the columns file and label, but with ''"),
    (b"file|label\n1.png|1\n", "not a table with the columns file and label, but with 'file|label'"),
    (b"file,label\n1.png,maybe\n", "row 2: 1.png has the label 'maybe', not 0 or 1, nocar or car"),
    (b"file,label\n\n,\n1.png\n", "row 4: 1.png has the label ''"), (b"file,label\r\n1.png,0.5\r\n", "row 2: "),
    (b"file;label\n1.png;1\n2.png;0\n1.png;0\n", "row 4: 1.png had another label before"),
])
def test_labels_that_are_no_table_are_refused(tmp_path, content, what):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(InputError) as error:
        photo_labels([str(tmp_path / "1.png")])
    assert str(error.value).startswith(f"{tmp_path / 'labels.csv'}: {what}")


@pytest.mark.parametrize("separator, no, yes, head, end", [
    (",", "0", "1", "file,label", "\n"), (";", "0.0", "1.0", "\ufeffFile,Label", "\r\n"),
    ("\t", "nocar", "Car", "id, label, file ", "\r"), (";", "False", " True ", "label,note,file", "\n")])
def test_tables_of_spreadsheets_are_read(separator, no, yes, head, end, tmp_path):
    rows = []
    for name, label in (("1.png", yes), ("2.png", no), ("", ""), ("3.png", yes)):
        cells = {"file": name, "label": label}
        rows.append(",".join(cells.get(column.strip("\ufeff ").lower(), "7") for column in head.split(",")))
    (tmp_path / "labels.csv").write_bytes(end.join([head, *rows, "", ""]).replace(",", separator).encode())
    labels, _ = photo_labels([str(tmp_path / name) for name in ("1.png", "2.png", "3.png", "4.png")])
    assert labels == [1, 0, 1, None]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_the_same_in_both_forms_of_unicode(forms, tmp_path):
    """A table typed on a PC, photos from a Mac; or the other way round."""
    in_table, on_disk = (unicodedata.normalize(form, "Z\u00fcrich \u00e9.png") for form in forms)
    (tmp_path / on_disk).touch()
    (tmp_path / "labels.csv").write_text(f"file,label\n{in_table},1\n", encoding="utf-8")
    assert photo_labels([str(tmp_path / on_disk)]) == ([1], [])


def test_what_is_not_used_is_counted(sorted_photos, monkeypatch):
    monkeypatch.setattr(photos_module, "formats", lambda: ["JPEG", "PNG"])
    car = sorted_photos / "car"
    for name in ("a.HEIC", "b.heif", "c.mp4", "d.MP4", "README", "Thumbs.db", ".DS_Store", "._2.jpg", "desktop.ini"):
        (car / name).touch()
    (sorted_photos / "nocar" / "labels.csv").write_text("file,label\n1.jpg,0\n")
    (sorted_photos / "other" / "labels.csv").write_text("file,label\n" + "".join(f"x{i}.jpg,1\n" for i in range(5)))
    paths, unread = find_photos([sorted_photos, sorted_photos / "other", car / "2.jpg"])
    assert [*unread, *photo_labels(paths)[1]] == [
        f"{sorted_photos}: not read: 1 without ending",
        f"{car}: not read: 1 without ending, 1 .heic, 1 .heif, 2 .mp4; {photos_module.HEIC_HELP}",
        f"{sorted_photos / 'other' / 'labels.csv'}: 5 rows without a photo: x0.jpg, x1.jpg, x2.jpg, ...",
        f"{sorted_photos / 'other' / 'labels.csv'}: 1 photos without a row: 3.jpg"]
    (car / "2.jpg").unlink()
    (car / "10.jpg").unlink()
    with pytest.raises(InputError) as error:
        find_photos([car])
    assert str(error.value) == (f"{car}: holds no pictures; {car}: not read: 1 without ending, 1 .heic, 1 .heif, "
                                "2 .mp4; for HEIC photos pip install pillow-heif, or export them as JPEG")


def test_a_table_above_the_folders_of_its_photos_is_not_read_and_that_is_said(sorted_photos):
    (sorted_photos / "labels.csv").write_text("file,label\ncar/2.jpg,0\n")
    assert find_photos([sorted_photos / "car"])[1] == []
    assert f"{sorted_photos}: not read: 1 .csv, 1 without ending" in find_photos([sorted_photos])[1]
    (sorted_photos / "0.jpg").touch()  # to which it belongs
    assert find_photos([sorted_photos])[1] == [f"{sorted_photos}: not read: 1 without ending"]


def test_photos_of_phones_are_read_if_pillow_heif_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    Image.fromarray(GRADIENT).convert("RGB").save(tmp_path / "a.HEIC")
    assert find_photos([str(tmp_path)]) == ([str(tmp_path / "a.HEIC")], [])
    assert np.abs(read_picture(tmp_path / "a.HEIC", (60, 80, 3)).astype(int) - GRADIENT[:, :, None]).max() <= 20


def test_where_photos_of_phones_are_not_read_it_is_said_how(tmp_path, monkeypatch):
    monkeypatch.setattr(photos_module, "formats", lambda: ["JPEG", "PNG"])
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(400))
    with pytest.raises(InputError, match="formats JPEG, PNG, or damaged; for HEIC photos pip install pillow-heif, or"):
        read_picture(tmp_path / "a.jpg", SHAPE)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_labels_in_another_encoding_are_refused_as_such(tmp_path, encoding):
    (tmp_path / "labels.csv").write_text("file,label\né.jpg,1\n", encoding=encoding)
    with pytest.raises(InputError, match="labels.csv: has another encoding than UTF-8"):
        photo_labels([str(tmp_path / "1.jpg")])
