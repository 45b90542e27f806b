"""Files are written whole or not at all."""

import stat

import pytest

from datasets.files import check_file, check_folder, write_atomically
from datasets.networks import load_parameters
from datasets.npy import load_dict
from datasets.user_input import InputError

from .conftest import contents, fail, needs_posix


def write(content):
    """The function that fills a file with this content."""
    return lambda file: file.write(content)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("old")

    def fail_halfway(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", fail_halfway)
    assert contents(tmp_path) == {(tmp_path / "a").relative_to(tmp_path): b"old"}
    write_atomically(tmp_path / "a", write(b"new"))
    assert contents(tmp_path) == {(tmp_path / "a").relative_to(tmp_path): b"new"}


def test_an_error_of_the_disk_names_the_file(tmp_path):
    def no_space(file):
        raise OSError(28, "No space left")

    with pytest.raises(OSError, match="No space left") as error:
        write_atomically(tmp_path / "new" / "deep" / "a", no_space)
    assert error.value.filename == tmp_path / "new" / "deep" / "a" and not contents(tmp_path)


@needs_posix
def test_writing_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "link").symlink_to("a")
    write_atomically(tmp_path / "link", write(b"new"))
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a").read_text() == "new"


@needs_posix
def test_a_file_has_the_usual_permissions_and_keeps_those_that_it_had(tmp_path):
    for name, mode in (("a", 0o640), ("b", 0o444)):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(mode)
        write_atomically(tmp_path / name, write(b"new"))
        assert (tmp_path / name).read_text() == "new" and stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "new", write(b"new"))
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_folders_are_made_where_there_are_none(tmp_path):
    check_folder(tmp_path / "new" / "deep")
    assert not list(tmp_path.iterdir())
    write_atomically(tmp_path / "new" / "deep" / "a", write(b"new"))
    assert (tmp_path / "new" / "deep" / "a").read_text() == "new"


def test_a_folder_where_a_file_belongs_and_the_other_way_round(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(InputError, match=f"{tmp_path}: is a folder, not a file"):
        check_file(tmp_path)
    with pytest.raises(IsADirectoryError) as error:
        write_atomically(tmp_path, write(b"new"))
    assert error.value.filename == tmp_path
    for check in (check_folder, lambda path: check_file(path / "a")):
        with pytest.raises(InputError, match="file: is not a folder"):
            check(tmp_path / "file")
    assert contents(tmp_path) == {(tmp_path / "file").relative_to(tmp_path): b"old"}


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


def test_a_folder_that_cannot_be_written_to_is_found_before_the_work(small_data, mount, tmp_path):
    folder = mount("ro")
    command = ("nn_main.py", "--data", small_data, "--iterations", 10**9, "--figures", tmp_path, "--out")
    way_on = "cannot be written to (Read-only file system); name another folder, with --out or --figures"
    assert fail(*command, folder) == f"nn_main.py: {folder}: {way_on}"
    assert fail("nn_test.py", "--figures", folder / "new") == f"nn_test.py: {folder}: {way_on}"
    assert fail("pruning.py", "--out", folder / "new", "--figures", tmp_path) == f"pruning.py: {folder}: {way_on}"
    (tmp_path / "file").write_text("old")
    assert fail(*command, tmp_path / "file") == f"nn_main.py: {tmp_path / 'file'}: is not a folder"
