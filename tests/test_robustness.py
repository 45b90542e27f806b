"""Nothing is lost: runs that are killed, interrupted or resumed, full disks, numbers that go bad, wrong options."""

import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from PIL import Image

import nn_functions as nn
import pruning

from .conftest import ROOT, fail, not_ignoring_ctrl_c, run, succeed, write_data
from .kill_and_resume import files, kills_of_runs
from .test_scripts import network_that_says_car_from


@pytest.fixture
def job(small_data, tmp_path):
    """A small pruning job: its command, and the folder it writes to."""
    nn.save_parameters(tmp_path / "p.npy", nn.initialize_parameters((144, 5, 4, 3, 2, 1), 1), [])
    out = tmp_path / "out"
    return ["pruning.py", "--data", small_data, "--parameters", tmp_path / "p.npy", "--out", out, "--figures", out], out


def test_killed_runs_resume_to_the_same_bytes(job):
    command, _ = job
    options = [str(word) for word in command[1:5]] + ["--steps", "30", "--iterations", "300"]
    kills = kills_of_runs(3, options)
    assert None not in kills and sum(kills) > 0


def test_a_resumed_run_carries_the_gram_matrices_to_the_same_bits(job, monkeypatch):
    """On data of a size at which the sample space is chosen, and where recomputing the matrices would show."""
    command, out = job
    data = write_data(out.parent / "wide.h5", m=30, shape=(20, 20, 3))
    nn.save_parameters(out.parent / "wide.npy", nn.initialize_parameters((1200, 5, 4, 3, 2, 1), 1), [])
    command = ["pruning.py", "--data", data, "--parameters", out.parent / "wide.npy", "--iterations", 100, "--percent", 10]
    X = nn.load_data(data)[0]
    mask = np.ones((5, 1200), bool)
    assert nn.cheaper_way(nn.GramMatrices(X), 5, mask, 100) == "sample space"
    succeed(*command, "--steps", 12, "--out", out, "--figures", out)
    other = out.parent / "other"
    for steps in (1, 5, 12):
        succeed(*command, "--steps", steps, "--out", other, "--figures", other, "--resume")
    assert files(other) == files(out)


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(job):
    command, out = job
    process = subprocess.Popen([sys.executable, *map(str, command), "--steps", "8", "--iterations", "2500"], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=not_ignoring_ctrl_c)
    while not (out / "prun_parameter" / "prun_parameters3.npy").exists():
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    kept = len(nn.load_dict(out / "degree_costs.npy")["degree"])
    assert errors == (f"pruning.py: interrupted: {kept} steps are kept in {out}; the same command with --resume goes on\n")
    # The network of a step is written before the record counts it, and Ctrl-C may come between.
    names, steps = ({path.name for path in (out / "prun_parameter").iterdir()},
                    [f"prun_parameters{step}.npy" for step in range(1, kept + 2)])
    assert names in (set(steps[:-1]), set(steps))
    assert f"steps 1 to {kept} were done before" in succeed(*command, "--steps", 8, "--iterations", 2500, "--resume")
    assert len(nn.load_dict(out / "degree_costs.npy")["degree"]) == 8


def test_what_is_kept_is_read_from_the_disk_and_never_trusted(tmp_path):
    path = tmp_path / "degree_costs.npy"
    names = ("degree", "costs", "train_accuracy", "test_accuracy")
    record = {**{name: [1.0, 2.0] for name in names}, "run": {"percent": 5.0}}
    assert pruning.what_is_kept(record, path, "out") == "no step was done"
    for steps, words in ((0, "no step was done"), (1, "1 step is kept in out; "), (2, "2 steps are kept in out; ")):
        nn.save_dict(path, {**{name: [1.0] * steps for name in names}, "run": {"percent": 5.0}})
        assert pruning.what_is_kept(record, path, "out").startswith(words)
    for other in ({**record, "run": {"percent": 6.0}}, {"W1": np.ones(3)}):
        nn.save_dict(path, other)
        assert pruning.what_is_kept(record, path, "out") == "no step was done"
    path.write_bytes(b"no record")
    assert pruning.what_is_kept(record, path, "out") == "no step was done"


def test_resume_refuses_another_run_and_says_what_differs(job, small_data):
    command, out = job
    command += ["--iterations", 20]
    succeed(*command, "--steps", 3)
    before = files(out)
    other = write_data(out.parent / "other.h5", seed=1)
    for options, what in ((["--percent", 6], "percent"), (["--iterations", 30], "iterations"), (["--data", other], "data"),
                          (["--learning-rate", 0.1, "--percent", 6], "percent, learning rate")):
        line = fail(*command, "--resume", *options)
        assert line == f"pruning.py: {out}/degree_costs.npy: cannot resume, it was made with other {what}"
        assert files(out) == before
    assert "3 were done before" in succeed(*command, "--steps", 3, "--resume")
    assert files(out) == before


@pytest.mark.parametrize("record", [{"degree": [], "costs": []}, {"degree": [1.0], "costs": [], "train_accuracy": [],
                                                                   "test_accuracy": [], "run": {}}, {"run": 3},
    {"degree": ["1"], "costs": [1.0], "train_accuracy": [1.0], "test_accuracy": [1.0], "run": {}},
    {"degree": [1.0], "costs": [None], "train_accuracy": [1.0], "test_accuracy": [1.0], "run": {}},
    {"degree": [], "costs": [], "train_accuracy": [], "test_accuracy": [], "run": {"data": np.arange(3)}}])
def test_resume_refuses_what_is_no_record_of_a_run(job, record):
    command, out = job
    out.mkdir()
    nn.save_dict(out / "degree_costs.npy", record)
    assert f"{out}/degree_costs.npy: cannot resume, " in fail(*command, "--resume")


def test_resume_needs_every_network(job):
    command, out = job
    command += ["--iterations", 20]
    succeed(*command, "--steps", 3)
    (out / "prun_parameter" / "prun_parameters2.npy").unlink()
    assert "prun_parameters2.npy: missing; to resume, the networks of all earlier steps are needed" in fail(*command, "--steps", 5, "--resume")


def test_a_run_without_resume_starts_over(job):
    command, out = job
    command += ["--iterations", 20]
    succeed(*command, "--steps", 3)
    before = files(out)
    assert "were done before" not in succeed(*command, "--steps", 3)
    assert files(out) == before


# ------------------------------------------------------------------------------------------ disks, numbers, options

@pytest.fixture
def mounted(tmp_path):
    """Mount a small file system, full or read-only; skip where that is not allowed."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(*options):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder], stderr=subprocess.DEVNULL,
                          check=False).returncode:
            pytest.skip("mounting a file system is not allowed here")
        return folder

    try:
        yield mount
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    finally:
        subprocess.run(["umount", folder], stderr=subprocess.DEVNULL, check=False)


def test_a_full_disk_is_one_line_and_old_files_stay(job, mounted):
    command, _ = job
    folder = mounted("size=48k")
    command = command[:5] + ["--iterations", 20, "--out", folder, "--figures", folder]
    (folder / "degree_costs.png").write_bytes(b"old")
    line = fail(*command)
    assert line.startswith(f"pruning.py: {folder}/") and line.endswith(": No space left on device")
    kept = len(nn.load_dict(folder / "degree_costs.npy")["degree"])
    assert 0 < kept < 39 and (folder / "degree_costs.png").read_bytes() == b"old"
    assert not [name for name in files(folder) if name.suffix == ".tmp"]
    for step in range(1, kept + 1):
        nn.load_parameters(folder / "prun_parameter" / f"prun_parameters{step}.npy", 144)


def test_a_full_disk_loses_no_old_network_or_data_set(small_data, mounted):
    folder = mounted("size=40k")
    (folder / "parameters.npy").write_bytes(b"old")
    (folder / "a.h5").write_bytes(b"old")
    (folder / "fill").write_bytes(bytes(28 * 1024))
    line = fail("nn_main.py", "--data", small_data, "--iterations", 4000, "--out", folder, "--figures", folder)
    assert line == f"nn_main.py: {folder}/parameters.npy: No space left on device"
    line = fail("-m", "datasets.make_carvnocar", "--out", folder / "a.h5", "--size", 20, 20)
    assert line == f"make_carvnocar.py: {folder}/a.h5: No space left on device"
    assert (folder / "parameters.npy").read_bytes() == (folder / "a.h5").read_bytes() == b"old"
    assert len(files(folder)) == 3


def test_a_read_only_folder_is_one_line(job, mounted):
    command, _ = job
    folder = mounted("ro")
    command = command[:5] + ["--out", folder, "--figures", folder]
    assert fail(*command).endswith(": Read-only file system")
    assert not files(folder)


def test_a_folder_that_is_a_file_is_one_line(job, small_data, tmp_path):
    (tmp_path / "file").write_text("old")
    line = fail("nn_main.py", "--data", small_data, "--iterations", 20, "--out", tmp_path / "file")
    assert line == f"nn_main.py: {tmp_path}/file: File exists" and (tmp_path / "file").read_text() == "old"


def test_a_folder_that_cannot_be_written_to_is_found_before_the_work(small_data, mounted):
    folder = mounted("ro")
    line = fail("nn_main.py", "--data", small_data, "--iterations", 10**9, "--out", folder, "--figures", folder)
    assert line.startswith(f"nn_main.py: {folder}") and line.endswith(": Read-only file system")


def test_numbers_that_go_bad_stop_it_and_overwrite_nothing(job, small_data, tmp_path):
    command, out = job
    out.mkdir()
    (out / "parameters.npy").write_bytes(b"old")
    line = fail("nn_main.py", "--data", small_data, "--learning-rate", 1e200, "--out", out, "--figures", out)
    assert line.startswith("nn_main.py: the cost is nan at iteration ")
    assert line.endswith("; try a smaller --learning-rate") and int(line.split()[7].strip(";")) < 10
    assert files(out) == {next(iter(files(out))): b"old"}
    succeed(*command, "--steps", 2, "--iterations", 20)
    before = files(out)
    line = fail(*command, "--learning-rate", 1e200)
    assert "the cost is nan at iteration" in line and files(out) == before


def test_bad_numbers_are_found_at_their_iteration():
    X, Y = np.random.RandomState(0).rand(12, 5), np.array([[0.0, 1, 0, 1, 0]])
    parameters = nn.initialize_parameters((12, 5, 4, 3, 2, 1), 1)
    for way in ("textbook", "sample space"):
        with pytest.raises(nn.InputError, match="the cost is nan at iteration [1-9]; "):
            nn.gradient_descent(X, Y, parameters, 1e200, 500, way=way)
        with pytest.raises(nn.InputError, match="holds NaN or infinity after 1 iterations; "):
            nn.gradient_descent(X, Y, parameters, np.inf, 1, way=way)


@pytest.mark.parametrize("script, options, what", [
    ("pruning.py", ["--percent", "0"], "--percent: '0' is not a number between 0 and 100"),
    ("pruning.py", ["--percent", "100"], "--percent"), ("pruning.py", ["--percent", "nan"], "--percent"),
    ("pruning.py", ["--steps", "0"], "--steps: '0' is not a whole number of at least 1"),
    ("pruning.py", ["--steps", "2.5"], "--steps"), ("pruning.py", ["--iterations", "-3"], "--iterations"),
    ("pruning.py", ["--learning-rate", "inf"], "--learning-rate: 'inf' is not a finite number above 0"),
    ("pruning.py", ["--quality", "0"], "--quality"), ("pruning.py", ["--delta", "-1"], "--delta"),
    ("pruning.py", ["--tolerance", "-1"], "--tolerance: '-1' is not a finite number of at least 0"),
    ("pruning.py", ["--criterion", "magnitude"], "--criterion: invalid choice: 'magnitude'"),
    ("pruning.py", ["--l1", "-1"], "--l1"), ("nn_main.py", ["--l2", "nan"], "--l2"),
    ("nn_main.py", ["--learning-rate", "0"], "--learning-rate"), ("nn_main.py", ["--learning-rate", "x"], "--learning-rate"),
    ("nn_main.py", ["--iterations", "0"], "--iterations"), ("nn_main.py", ["--layers", "5", "0"], "--layers"),
    ("nn_main.py", ["--layers"], "--layers"), ("nn_main.py", ["--seed", "-1"], "--seed"),
    ("-m datasets.make_carvnocar", ["--size", "80", "0"], "--size"),
    ("-m datasets.make_carvnocar", ["--seed", "4294967296"], "--seed: '4294967296' is not a whole number from 0 to"),
    ("-m datasets.fetch_original", ["--timeout", "-1"], "--timeout"),
])
def test_a_wrong_value_names_its_option(script, options, what):
    assert f"argument {what}" in fail(*script.split(), *options)


@pytest.mark.parametrize("options, what", [
    (["--quality", "2"], "--quality goes with --criterion std only"),
    (["--criterion", "std", "--percent", "3"], "--percent does not go with --criterion std"),
    (["--delta", "2.5"], "--delta 2.5 would take the percentage to 100 within 39 steps")])
def test_options_that_do_not_go_together_are_one_line(options, what):
    assert fail("pruning.py", *options).startswith(f"pruning.py: {what}")


def test_more_units_than_memory_is_one_line(small_data, tmp_path):
    line = fail("nn_main.py", "--data", small_data, "--layers", 10**13, "--out", tmp_path / "out", "--figures",
                tmp_path / "out")
    assert line.startswith("nn_main.py: Unable to allocate") and not files(tmp_path / "out")


# ------------------------------------------------------------------------------------------------- data and photos

def test_pictures_in_floating_point_are_read_and_the_range_is_said(tmp_path, capsys):
    path = write_data(tmp_path / "a.h5")
    expected = nn.load_data(path)
    with h5py.File(path) as file:
        pictures = {name: file[name][()] for name in ("X_train", "X_test")}
    assert capsys.readouterr().out == ""
    for white, kind in ((255, np.float32), (1, np.float64)):
        changed = {name: (values / (255 / white)).astype(kind) for name, values in pictures.items()}
        loaded = nn.load_data(write_data(tmp_path / "b.h5", **changed))
        assert all(np.allclose(one, other, rtol=0, atol=1e-7) for one, other in zip(loaded, expected))
        assert f"b.h5: the pictures are {np.dtype(kind)}, taken as values from 0 to {white}" in capsys.readouterr().out


@pytest.mark.parametrize("value, what", [(-1.0, "from -1.0 to"), (256.0, "to 256.0, not"), (np.nan, "hold values"),
                                         (np.inf, "to inf")])
def test_floating_point_out_of_range_is_refused(tmp_path, value, what):
    X = np.full((20, 6, 8, 3), 0.5)
    X[3, 2, 1, 0] = value
    with pytest.raises(nn.InputError, match=what):
        nn.load_data(write_data(tmp_path / "a.h5", X_train=X, X_test=np.full((8, 6, 8, 3), 0.5)))


@pytest.mark.parametrize("changes, what", [
    ({"X_train": np.zeros((0, 6, 8, 3), np.uint8)}, "X_train has shape"), ({"y_train": np.array(1)}, "y_train has shape"),
    ({"X_train": np.zeros((20, 6, 8, 3), int)}, "pictures of two kinds"), ({"y_test": np.full((8, 1), np.nan)}, "y_test holds other"),
    ({"X_train": np.zeros((20, 6, 8, 3), int), "X_test": np.zeros((8, 6, 8, 3), int)}, "X_train holds int64, neither uint8 nor"),
    ({"y_train": np.array([b"0"] * 20)}, "y_train holds other"),
])
def test_more_wrong_data_is_refused(tmp_path, changes, what):
    with pytest.raises(nn.InputError, match=f"a.h5: {what}"):
        nn.load_data(write_data(tmp_path / "a.h5", **changes))


def test_a_data_set_that_declares_more_than_it_holds_is_refused(tmp_path):
    write_data(tmp_path / "a.h5", X_train=None)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.create_dataset("X_train", (10**6, 6, 8, 3), np.uint8, chunks=(1, 6, 8, 3))
    with pytest.raises(nn.InputError, match="a.h5: declares X_train of shape"):
        nn.load_data(tmp_path / "a.h5")


def test_training_labels_of_one_kind_are_a_warning(tmp_path):
    path = write_data(tmp_path / "a.h5", y_train=np.zeros(20, int))
    process = run("nn_main.py", "--data", path, "--iterations", 20, "--out", tmp_path, "--figures", tmp_path)
    assert process.returncode == 0 and process.stderr == f"warning: {path}: every label in y_train is 0\n"


def test_oversized_and_lying_photos_are_errors_that_name_them(small_data, tmp_path):
    nn.save_parameters(tmp_path / "p.npy", network_that_says_car_from(100), [])
    Image.new("1", (20000, 10000)).save(tmp_path / "huge.png")
    lying = bytearray((ROOT / "photos_demo" / "0.jpg").read_bytes())
    at = lying.index(b"\xff\xc0") + 5
    lying[at:at + 4] = b"\xff\xff\xff\xff"  # 65535 x 65535 pixels
    (tmp_path / "lying.jpg").write_bytes(lying)
    process = run("nn_test.py", tmp_path, ROOT / "photos_demo", "--data", small_data, "--parameters", tmp_path / "p.npy",
                  "--figures", tmp_path / "figure")
    lines = process.stderr.splitlines()
    assert process.returncode == 2 and len(lines) == 2 and process.stdout.count("photos_demo") == 27
    for line, name in zip(lines, ("huge.png", "lying.jpg")):
        assert line.startswith(f"nn_test.py: {tmp_path}/{name}: cannot be read as a picture") and "exceeds limit" in line


def test_labels_that_are_no_table_are_one_line(small_data, tmp_path):
    nn.save_parameters(tmp_path / "p.npy", network_that_says_car_from(100), [])
    Image.new("RGB", (8, 6)).save(tmp_path / "1.png")
    for content in (b"file,label\n1.png,maybe\n", b"name\n1.png\n", b"\xff\xfe\x00", b"file,label\n1.png\n", b"\0"):
        (tmp_path / "labels.csv").write_bytes(content)
        line = fail("nn_test.py", tmp_path, "--data", small_data, "--parameters", tmp_path / "p.npy", "--figures", tmp_path)
        assert line.startswith(f"nn_test.py: {tmp_path}/labels.csv: not a table")
    assert not (tmp_path / "predict.png").exists()
