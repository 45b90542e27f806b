"""Files are written whole or not at all."""

import os
import stat

import pytest

from datasets.files import remove_temporaries, write_atomically
from datasets.networks import load_parameters
from datasets.npy import load_dict

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


def test_two_writers_of_one_file_do_not_mix_their_bytes(tmp_path):
    def write_while_another_does(file):
        file.write(b"first")
        file.flush()
        write_atomically(tmp_path / "a", write(b"second, which is longer"))
        assert (tmp_path / "a").read_bytes() == b"second, which is longer"
        file.write(b" goes on")

    write_atomically(tmp_path / "a", write_while_another_does)
    assert (tmp_path / "a").read_bytes() == b"first goes on" and len(contents(tmp_path)) == 1


@needs_posix
def test_what_a_killed_writer_left_is_removed_when_asked(tmp_path):
    if not (child := os.fork()):
        write_atomically(tmp_path / "a.npy", lambda file: os._exit(0))
    os.waitpid(child, 0)
    (left,) = tmp_path.iterdir()
    (tmp_path / ".notes.tmp").write_text("a file of the user's")
    remove_temporaries(tmp_path, "b.npy")
    assert left.exists()
    remove_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".notes.tmp"]
    remove_temporaries(tmp_path / "missing")


def test_an_error_names_the_file(tmp_path):
    def no_space(file):
        raise OSError(28, "No space left")

    for path, function in ((tmp_path / "new" / "deep" / "a", no_space), (tmp_path, write(b"new"))):
        with pytest.raises(OSError) as error:
            write_atomically(path, function)
        assert error.value.filename == path and not contents(tmp_path)


@needs_posix
def test_a_file_has_the_usual_permissions_and_keeps_those_that_it_had(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    write_atomically(tmp_path / "a", write(b"new"))
    assert (tmp_path / "a").read_text() == "new" and stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "new" / "deep" / "a", write(b"new"))
    assert (tmp_path / "new" / "deep" / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


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


def test_a_folder_that_cannot_be_written_to_is_found_before_the_work(small_data, mount, tmp_path):
    folder = mount("ro")
    command = ("nn_main.py", "--data", small_data, "--iterations", 10**9, "--figures", tmp_path, "--out")
    way_on = "cannot be written to (Read-only file system); name another folder"
    assert fail(*command, folder / "new") == f"nn_main.py: {folder}: {way_on}"
