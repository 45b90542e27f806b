"""The command line: options, help, and the one line for a user's mistake."""

import os
import pathlib
import subprocess
import sys

import pytest

import pruning
from datasets import user_input
from datasets.user_input import InputError, exit_status

from .conftest import ROOT, call, contents, fail, run, succeed, write_data

SCRIPTS = ("nn_main.py", "prun_mask.py", "pruning.py", "prun_parameters.py", "nn_test.py", "datasets.make_carvnocar",
           "datasets.fetch_mnist")


def program(script):
    """The name by which a script calls itself."""
    return f"{script.split('.')[1]}.py" if script.startswith("datasets.") else script


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_and_a_wrong_option(script):
    text = succeed(script, "--help")
    assert "-h, --help" in text and ("default: " in text) == (script != "prun_mask.py")
    assert fail(script, "--wrong") == f"{program(script)}: unrecognized arguments: --wrong"


@pytest.mark.parametrize("script, option", [
    ("nn_main.py", "--data"), ("pruning.py", "--data"), ("pruning.py", "--parameters"),
    ("prun_parameters.py", "--data"),
    ("prun_parameters.py", "--parameters"), ("prun_parameters.py", "--pruned"), ("prun_parameters.py", "--photos"),
    ("nn_test.py", "--data"), ("nn_test.py", "--parameters"), ("nn_test.py", ""),
    ("datasets.make_carvnocar", "--pictures"),
])
def test_a_missing_file_is_one_line(script, option, tmp_path):
    figures = ["--out", tmp_path / "a.h5"] if "make" in script else ["--figures", tmp_path]
    line = fail(script, *option.split(), tmp_path / "missing", *figures)
    assert line.startswith(f"{program(script)}: {tmp_path / 'missing'}")
    assert line.endswith(": No such file or directory")
    assert not list(tmp_path.iterdir())


def test_a_wrong_data_set_is_one_line(small_data, tmp_path):
    recorded = ("--parameters", "datasets/parameters.npy", "--figures", tmp_path)
    for script, more in (("pruning.py", ()), ("prun_parameters.py", ("--pruned", "datasets")), ("nn_test.py", ())):
        line = fail(script, "--data", small_data, *recorded, *more)
        assert line == (f"{script}: datasets/parameters.npy: was trained on another data set than {small_data}; "
                        "name that one with --data, or train a network on this one")
    assert "not an HDF5 file" in fail("nn_main.py", "--data", "requirements.txt")
    assert "not a .npy file" in fail("pruning.py", "--parameters", "requirements.txt")


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    with subprocess.Popen([sys.executable, "nn_test.py", "--figures", tmp_path], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 1


@pytest.mark.parametrize("script, options, what", [
    ("pruning.py", ["--percent", "0"], "--percent: '0' is not a number above 0 and below 100"),
    ("pruning.py", ["--percent", "100"], "--percent"), ("pruning.py", ["--percent", "nan"], "--percent"),
    ("pruning.py", ["--steps", "0"], "--steps: '0' is not a whole number from 1 to 1000000000"),
    ("pruning.py", ["--steps", "2.5"], "--steps"), ("pruning.py", ["--iterations", "-3"], "--iterations"),
    ("pruning.py", ["--learning-rate", "inf"], "--learning-rate: 'inf' is not a number above 0"),
    ("pruning.py", ["--tolerance", "-1"], "--tolerance: '-1' is not a number of at least 0"),
    ("pruning.py", ["--criterion", "magnitude"], "--criterion: invalid choice: 'magnitude'"),
    ("nn_main.py", ["--l2", "nan"], "--l2"), ("nn_main.py", ["--learning-rate", "x"], "--learning-rate"),
    ("nn_main.py", ["--layers", "5", "0"], "--layers"), ("nn_main.py", ["--layers"], "--layers"),
    ("nn_main.py", ["--layers", str(10**20)], "--layers"), ("nn_main.py", ["--seed", "-1"], "--seed"),
    ("pruning.py", ["--steps", "9" * 5000], "--steps: '9999999999999999999999999999999999999999' is not"),
    ("datasets.make_carvnocar", ["--seed", "4294967296"], "--seed: '4294967296' is not a whole number from 0 to"),
    ("datasets.make_carvnocar", ["--size", "80", "0"], "--size: '0' is not a whole number from 1 to 65500"),
    ("pruning.py", ["--out", ""], "--out: '' is not the name of a file or a folder"),
    ("prun_parameters.py", ["--export", ""], "--export"),
])
def test_a_wrong_value_names_its_option(script, options, what):
    assert f"argument {what}" in fail(script, *options)


@pytest.mark.parametrize("options, what", [
    (["--momentum", "0.5"], "--momentum goes with --batch only"),
    (["--quality", "2"], "--quality goes with --criterion std only"),
    (["--criterion", "std", "--percent", "3"], "--percent does not go with --criterion std"),
    (["--l2", "200"], "--l2 200 is too large for --learning-rate 0.005")])
def test_options_that_do_not_go_together_are_one_line(options, what):
    assert fail("pruning.py", *options).startswith(f"pruning.py: {what}")


def test_an_l2_too_large_for_training_is_one_line():
    assert fail("nn_main.py", "--l2", 20, "--learning-rate", 0.1).startswith("nn_main.py: --l2 20 is too large")


@pytest.mark.parametrize("script", ["pruning.py", "datasets.make_carvnocar", "figure.far"])
def test_a_process_says_the_same(script):
    """In a process of its own, by its path or with `python -m`."""
    for arguments in (["--help"], ["--wrong"], ["--data", "missing"]):
        assert run(script, *arguments) == call(script, *arguments)


def test_help_shows_each_default_once():
    text = succeed("pruning.py", "--help")
    assert text.count("(default: 5)") == text.count("(default: 39, or") == 1
    assert text.count("(default: 0.0)") == 3  # of --l1, --l2 and --momentum
    assert "default: None" not in text and "default: False" not in text


def test_errors_become_a_line_and_a_status(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["folder/script.py"])

    @exit_status
    def raising(error):
        raise error

    batch = "for many pictures, nn_main.py and pruning.py need less memory with --batch N"
    for error, status, line in (
            (InputError("a.npy: is wrong"), 2, "a.npy: is wrong"), (MemoryError(), 2, f"MemoryError; {batch}"),
            (OSError(28, "No space left", "a"), 2, "a: No space left"), (KeyboardInterrupt(), 130, "interrupted"),
            (FloatingPointError("the cost\nis nan"), 2, "the cost is nan")):
        assert raising(error) == status
        assert capsys.readouterr().err == f"script.py: {line}\n"
    assert pruning.main(["--steps", 0, pathlib.Path("x")]) == 2
    assert capsys.readouterr().err == "script.py: argument --steps: '0' is not a whole number from 1 to 1000000000\n"
    assert pruning.main(["--wrong"]) == 2 and capsys.readouterr().err == "script.py: unrecognized arguments: --wrong\n"
    with pytest.raises(KeyError):  # a mistake in the program shows its traceback
        raising(KeyError("W1"))


def test_scripts_find_their_files_from_any_folder(tmp_path):
    for script in ("prun_parameters.py", "nn_test.py", "figure.network"):
        here = succeed(script, "--figures", tmp_path)
        elsewhere = succeed(script, "--figures", tmp_path, cwd=tmp_path)
        assert elsewhere.replace(f"{ROOT}{os.sep}", "") == here


@pytest.mark.parametrize("script, options", [
    ("nn_main.py", ["--data", "missing"]), ("nn_main.py", ["--learning-rate", "1e300"]),
    ("pruning.py", ["--parameters", "missing"]),
    ("prun_parameters.py", ["--parameters", "missing"]), ("nn_test.py", ["missing"]),
    ("figure.sensitivity", ["--data", "no"])])
def test_a_failed_command_leaves_no_folder(script, options, tmp_path):
    out = ["--out", tmp_path / "o" / "deep"] if script in ("nn_main.py", "pruning.py") else []
    fail(script, *options, *out, "--figures", tmp_path / "figure")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------- the recorded experiment, or one's own

def recorded_files():
    """What no command with options may replace: the committed results, by path."""
    return {path: path.read_bytes() for folder in ("datasets", "figure") for path in (ROOT / folder).rglob("*.*")
            if path.suffix in (".npy", ".npz", ".png", ".gif", ".h5")}


def test_with_a_data_set_of_ones_own_no_other_option_is_needed(photos, tmp_path):
    write_data(tmp_path / "my.h5")
    before, options = recorded_files(), ("--data", "my.h5")
    succeed("nn_main.py", *options, "--layers", 6, "--init", "he", "--iterations", 30, cwd=tmp_path)
    succeed("pruning.py", *options, "--steps", 2, "--iterations", 5, cwd=tmp_path)
    assert "after it: out/prun_parameter/prun_parameters2.npy" in succeed("prun_parameters.py", *options, "--photos",
                                                                          photos, cwd=tmp_path)
    assert "network: out/parameters.npy" in succeed("nn_test.py", *options, photos, cwd=tmp_path)
    succeed("figure.sensitivity", *options, cwd=tmp_path)
    assert {str(path) for path in contents(tmp_path / "out")} == {
        "parameters.npy", "data.npy", "cost.png", "degree_costs.npy", "degree_costs.png",
        "prun_parameter/prun_parameters1.npy", "prun_parameter/prun_parameters2.npy", "prun_predict.png", "predict.png",
        "sensitivity.png"}
    assert recorded_files() == before and {path.name for path in tmp_path.iterdir()} == {"my.h5", "out"}


@pytest.mark.parametrize("arguments, there, expected", [
    ("", "", ("datasets", "figure", "datasets/parameters.npy")),
    ("--resume", "out", ("datasets", "figure", "datasets/parameters.npy")),
    ("--steps 3", "", ("out", "out", "datasets/parameters.npy")),
    ("--steps 3", "out", ("out", "out", "out/parameters.npy")),
    ("--steps 3 --resume", "", ("out", "out", "datasets/parameters.npy")),
    ("--data my.h5", "out", ("out", "out", "out/parameters.npy")),
    ("--out a", "", ("a", "a", "datasets/parameters.npy")), ("--out a", "a out", ("a", "a", "a/parameters.npy")),
    ("--figures f", "out", ("datasets", "f", "datasets/parameters.npy")),
    ("--figures f --l2 0.1", "out", ("out", "f", "out/parameters.npy")),
    ("--parameters p", "out", ("out", "out", "p")),
    ("--percent 6 --out datasets", "out", ("datasets", "datasets", "datasets/parameters.npy")),
])
def test_what_differs_from_the_recorded_experiment_goes_to_a_folder_of_its_own(arguments, there, expected, tmp_path,
                                                                             monkeypatch):
    for folder in ("datasets", *there.split()):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "parameters.npy").touch()
    (tmp_path / "my.h5").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(user_input, "PROJECT", str(tmp_path))
    options = pruning.parse_options(arguments.split())
    assert (options.out, options.figures, options.parameters) == expected


@pytest.mark.parametrize("script, file, maker", [
    ("pruning.py", "parameters.npy", "nn_main.py"), ("nn_test.py", "parameters.npy", "nn_main.py"),
    ("prun_parameters.py", "degree_costs.npy", "pruning.py"), ("figure.weights", "degree_costs.npy", "pruning.py")])
def test_a_network_that_is_not_there_yet_is_one_line(script, file, maker, small_data, tmp_path):
    (tmp_path / "out").mkdir()
    if maker == "pruning.py":
        (tmp_path / "out" / "parameters.npy").touch()
    line = fail(script, "--data", small_data, cwd=tmp_path)
    assert f"out/{file}: not there yet; {maker} with the same --data writes it" in line


def test_a_network_of_another_data_set_is_refused(trained, photos, tmp_path):
    other = write_data(tmp_path / "other.h5", seed=1)
    for script in ("pruning.py", "prun_parameters.py", "nn_test.py", "figure.sensitivity", "figure.network"):
        line = fail(script, "--data", other, "--out", trained / "out", "--figures", tmp_path / "f")
        assert line == (f"{script.removeprefix('figure.').removesuffix('.py')}.py: {trained / 'out'}/parameters.npy: "
                        f"was trained on another data set than {other}; name that one with --data, or train a network "
                        "on this one")
    assert {path.name for path in tmp_path.iterdir()} == {"other.h5"}


def test_more_units_than_memory_is_one_line(small_data, tmp_path):
    line = fail("nn_main.py", "--data", small_data, "--layers", 10**9, "--out", tmp_path / "out", "--figures",
                tmp_path / "out")
    assert line.startswith("nn_main.py: Unable to allocate") and not contents(tmp_path / "out")
    assert line.endswith("; for many pictures, nn_main.py and pruning.py need less memory with --batch N")
    line = fail("nn_main.py", "--data", small_data, "--layers", 10**9, "--batch", 4, "--out", tmp_path / "out",
                "--figures", tmp_path / "out")
    assert line.startswith("nn_main.py: Unable to allocate") and "--batch" not in line
