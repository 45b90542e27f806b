"""Files are written whole or not at all."""

import os

import pytest

from datasets.files import write_atomically
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


def test_a_full_disk_is_one_line_and_old_files_stay(pruning_command, mount):
    folder = mount("size=48k")
    command = [*pruning_command, "--iterations", 20, "--out", folder, "--figures", folder]
    (folder / "degree_costs.png").write_bytes(b"old")
    line = fail(*command)
    assert line.startswith(f"pruning.py: {folder}/") and line.endswith(": No space left on device")
    kept = len(load_dict(folder / "degree_costs.npy")["degree"])
    assert 0 < kept < 39 and (folder / "degree_costs.png").read_bytes() == b"old"
    assert not [name for name in contents(folder) if name.suffix == ".tmp"]
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
    assert line == f"nn_main.py: {tmp_path / 'file'}: File exists" and (tmp_path / "file").read_text() == "old"


def test_a_folder_that_cannot_be_written_to_is_found_before_the_work(small_data, mount):
    folder = mount("ro")
    line = fail("nn_main.py", "--data", small_data, "--iterations", 10**9, "--out", folder, "--figures", folder)
    assert line.startswith(f"nn_main.py: {folder}") and line.endswith(": Read-only file system")
