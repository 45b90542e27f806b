"""Files are written whole or not at all."""

import os
import stat

import pytest

from datasets.files import check_folder, open_file, write_atomically
from datasets.networks import load_parameters
from datasets.npy import load_dict
from datasets.user_input import InputError

from .conftest import contents, fail, needs_posix


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("old")

    def write(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", write)
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"
    write_atomically(tmp_path / "a", lambda file: file.write(b"new"))
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "new"


@needs_posix
def test_writing_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "link").symlink_to("a")
    write_atomically(tmp_path / "link", lambda file: file.write(b"new"))
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a").read_text() == "new"


@needs_posix
def test_what_is_not_a_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is not a file that could be replaced"):
        write_atomically(tmp_path / "pipe", lambda file: file.write(b"new"))
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@needs_posix
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    for name, mode in (("a", 0o640), ("b", 0o444)):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(mode)
        write_atomically(tmp_path / name, lambda file: file.write(b"new"))
        assert (tmp_path / name).read_text() == "new" and stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "new", lambda file: file.write(b"new"))
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


@needs_posix
@pytest.mark.parametrize("plant", [lambda path: path.symlink_to("victim"), os.mkfifo, lambda path: path.write_text("")])
def test_what_is_planted_under_the_temporary_name_is_neither_followed_nor_waited_for(tmp_path, plant):
    (tmp_path / "victim").write_text("old")
    plant(tmp_path / ".a.tmp")
    write_atomically(tmp_path / "a", lambda file: file.write(b"new"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"victim": "old", "a": "new"}
    assert not (tmp_path / "a").is_symlink()


def test_new_folders_are_left_only_with_a_file_in_them(tmp_path):
    def write(file):
        raise OSError(28, "No space left")

    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "new" / "deep" / "a", write)
    assert not list(tmp_path.iterdir())
    check_folder(tmp_path / "new" / "deep")
    assert not list(tmp_path.iterdir())
    write_atomically(tmp_path / "new" / "deep" / "a", lambda file: file.write(b"new"))
    assert (tmp_path / "new" / "deep" / "a").read_text() == "new"


@needs_posix
def test_only_ordinary_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path / "pipe", "is not a file"), ("/dev/zero", "is not a file"),
                       (tmp_path, "is not a file, but a folder")):
        with pytest.raises(InputError, match=f"{path}: {what}$"):
            open_file(path)
    (tmp_path / "a").write_bytes(b"content")
    with open_file(tmp_path / "a") as file:
        assert file.read() == b"content"


def test_a_full_disk_is_one_line_and_old_files_stay(pruning_command, mount):
    folder = mount("size=48k")
    command = [*pruning_command, "--iterations", 20, "--out", folder, "--figures", folder]
    (folder / "degree_costs.png").write_bytes(b"old")
    line = fail(*command)
    assert line.startswith(f"pruning.py: {folder}/") and line.endswith(": No space left on device")
    kept = len(load_dict(folder / "degree_costs.npy")["degree"])
    assert 0 < kept < 39 and (folder / "degree_costs.png").read_bytes() == b"old"
    assert not [name for name in contents(folder) if name.suffix in (".tmp", ".new", ".lock")]
    for step in range(1, kept + 1):
        load_parameters(folder / "prun_parameter" / f"prun_parameters{step}.npy", 144)


def test_a_full_disk_loses_no_old_network_or_data_set(small_data, mount):
    folder = mount("size=40k")
    (folder / "parameters.npy").write_bytes(b"old")
    (folder / "a.h5").write_bytes(b"old")
    (folder / "fill").write_bytes(bytes(28 * 1024))
    line = fail("nn_main.py", "--data", small_data, "--iterations", 4000, "--out", folder, "--figures", folder)
    assert line == f"nn_main.py: {folder}/parameters.npy: No space left on device"
    line = fail("datasets.make_carvnocar", "--out", folder / "a.h5", "--size", 20, 20)
    assert line == f"make_carvnocar.py: {folder / 'a.h5'}: No space left on device"
    assert (folder / "parameters.npy").read_bytes() == (folder / "a.h5").read_bytes() == b"old"
    assert len(contents(folder)) == 3


def test_a_read_only_folder_is_one_line(pruning_command, mount):
    folder = mount("ro")
    assert fail(*pruning_command, "--out", folder, "--figures", folder).endswith(": Read-only file system")
    assert not contents(folder)


def test_a_folder_that_is_a_file_is_one_line(small_data, tmp_path):
    (tmp_path / "file").write_text("old")
    line = fail("nn_main.py", "--data", small_data, "--iterations", 20, "--out", tmp_path / "file")
    assert line == f"nn_main.py: {tmp_path / 'file'}: is not a folder" and (tmp_path / "file").read_text() == "old"


def test_a_folder_that_cannot_be_written_to_is_found_before_the_work(small_data, mount):
    folder = mount("ro")
    line = fail("nn_main.py", "--data", small_data, "--iterations", 10**9, "--out", folder, "--figures", folder)
    assert line.startswith(f"nn_main.py: {folder}") and line.endswith(": Read-only file system")
