"""The command line: options, help, the one line for a user's mistake, and which folders and networks are meant."""

import os
import subprocess
import sys

import pytest

import prun_parameters
import pruning
from datasets import user_input
from datasets.user_input import InputError, as_input_error, exit_status

from .conftest import ROOT, call, contents, fail, run, succeed, write_data

pytestmark = pytest.mark.usefixtures("light_figures")


def test_help_shows_each_default_once():
    text = succeed("pruning.py", "--help")
    assert text.count("(default: 5)") == text.count("(default: 39, or") == 1
    assert text.count("(default: 0.0)") == 3  # of --l1, --l2 and --momentum
    assert "default: None" not in text and "default: False" not in text


@pytest.mark.parametrize("script", ["pruning.py", "figure.far"])
def test_a_process_says_the_same(script):
    """In a process of its own, by its path or with `python -m`."""
    assert run(script, "--wrong") == call(script, "--wrong")


@pytest.mark.parametrize("script, options, what", [
    ("pruning.py", ["--percent", "100"], "argument --percent: '100' is not a number above 0 and below 100"),
    ("pruning.py", ["--tolerance", "nan"], "argument --tolerance: 'nan' is not a number of at least 0"),
    ("pruning.py", ["--criterion", "magnitude"], "argument --criterion: invalid choice: 'magnitude'"),
    ("nn_main.py", ["--layers", "5", "2.5"], "argument --layers: '2.5' is not a whole number from 1 to 1000000000"),
    ("nn_test.py", ["--out", ""], "argument --out: '' is not the name of a file or a folder"),
    ("pruning.py", ["--momentum", "0.5"], "--momentum goes with --batch only"),
    ("nn_main.py", ["--data", "requirements.txt"], "requirements.txt: not an HDF5 file, or a damaged one"),
    ("nn_main.py", ["--data", "datasets"], "datasets: Is a directory"),
    ("pruning.py", ["--parameters", "requirements.txt"], "requirements.txt: not a .npy file"),
    ("nn_main.py", ["--out", "requirements.txt/new"], f"{ROOT}/requirements.txt: is not a folder"),
])
def test_a_wrong_value_names_its_option_or_its_file(script, options, what):
    assert f"{script}: {what}" in fail(script, *options)


@pytest.mark.parametrize("script, option", [("nn_main.py", "--data"), ("prun_parameters.py", "--pruned"),
                                            ("nn_test.py", "")])
def test_a_missing_file_is_one_line_and_leaves_no_folder(script, option, tmp_path):
    line = fail(script, *option.split(), tmp_path / "missing", "--out", tmp_path / "o" / "deep")
    assert line == f"{script}: {tmp_path / 'missing'}: No such file or directory"
    assert not list(tmp_path.iterdir())


def test_errors_become_a_line_and_a_status(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["folder/script.py"])

    @exit_status
    def raising(error):
        raise error

    batch = "for many pictures, nn_main.py and pruning.py need less memory with --batch N"
    for error, status, line in (
            (InputError("a.npy: is wrong"), 2, "a.npy: is wrong"), (MemoryError(), 2, f"MemoryError; {batch}"),
            (OSError(28, "No space left", "a"), 2, "a: No space left"), (KeyboardInterrupt(), 130, "interrupted"),
            (ValueError("Y holds 2"), 2, "Y holds 2"), (FloatingPointError("the cost\nis nan"), 2, "the cost is nan")):
        assert raising(error) == status
        assert capsys.readouterr().err == f"script.py: {line}\n"
    with pytest.raises(KeyError):  # a mistake in the program shows its traceback
        raising(KeyError("W1"))

    monkeypatch.setattr(sys, "version_info", (3, 10, 14))
    assert raising(KeyError("W1")) == 2
    assert capsys.readouterr().err.startswith("script.py: needs Python 3.11 or later, and this is ")


def test_an_error_of_a_reader_names_the_file():
    for error, line in ((KeyError("x"), "a.h5: not an HDF5 file, or a damaged one ('x')"),
                        (MemoryError("8 GiB"), "a.h5: does not fit into memory, or is damaged (8 GiB)"),
                        (OSError("unable to lock file"), "a.h5: is open for writing in another program, ")):
        with pytest.raises(InputError) as caught, as_input_error("a.h5", "an HDF5 file"):
            raise error
        assert str(caught.value).startswith(line)


def test_a_reader_of_the_output_that_goes_away_is_no_error(tmp_path):
    with subprocess.Popen([sys.executable, "nn_test.py", "--figures", tmp_path], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 1


def test_a_script_finds_its_files_from_any_folder(tmp_path):
    here = succeed("nn_test.py", "--figures", tmp_path)
    assert succeed("nn_test.py", "--figures", tmp_path, cwd=tmp_path).replace(f"{ROOT}{os.sep}", "") == here


# ------------------------------------------------------------------------------- the recorded experiment, or one's own

def recorded_files():
    """What no command with options may replace: the committed results, by path."""
    return {path: path.read_bytes() for folder in ("datasets", "figure") for path in (ROOT / folder).rglob("*.*")
            if path.suffix in (".npy", ".npz", ".png", ".gif", ".h5")}


def test_with_a_data_set_of_ones_own_no_other_option_is_needed(photos, tmp_path):
    write_data(tmp_path / "my.h5")
    before, options = recorded_files(), ("--data", "my.h5")
    line = fail("pruning.py", *options, cwd=tmp_path)
    assert line == (f"pruning.py: out/parameters.npy: not there yet; python {ROOT}/nn_main.py --data my.h5 writes it, "
                    "or name another "
                    f"with --parameters (the recorded one: {ROOT}/datasets/parameters.npy)")
    succeed("nn_main.py", *options, "--layers", 6, "--init", "he", "--iterations", 30, cwd=tmp_path)
    line = fail("prun_parameters.py", *options, "--out", "out", cwd=tmp_path)
    assert f"degree_costs.npy: not there yet; python {ROOT}/pruning.py --data my.h5 --out out writes it, or" in line
    succeed("pruning.py", *options, "--steps", 2, "--iterations", 5, cwd=tmp_path)
    text = succeed("prun_parameters.py", *options, "--photos", photos, cwd=tmp_path)
    assert text.startswith("before pruning: out/parameters.npy\nafter it: out/prun_parameter/prun_parameters2.npy\n")
    assert succeed("nn_test.py", *options, photos, cwd=tmp_path).startswith("network: out/parameters.npy\n")
    assert {str(path) for path in contents(tmp_path / "out")} == {
        "parameters.npy", "data.npy", "cost.png", "degree_costs.npy", "degree_costs.png",
        "prun_parameter/prun_parameters1.npy", "prun_parameter/prun_parameters2.npy", "prun_predict.png", "predict.png"}
    assert recorded_files() == before and {path.name for path in tmp_path.iterdir()} == {"my.h5", "out"}
    # Without --data it is the recorded network that is meant, though there is another one in out/.
    assert succeed("nn_test.py", photos, cwd=tmp_path).startswith(f"network: {ROOT}/datasets/parameters.npy\n")


@pytest.mark.parametrize("arguments, there, out, figures, parameters", [
    ("", "out", "datasets", "figure", "datasets"), ("--resume --figures f", "out", "datasets", "f", "datasets"),
    ("--steps 3", "out", "out", "out", "datasets"), ("--figures f --l2 0.1", "out", "out", "f", "datasets"),
    ("--data my.h5", "out", "out", "out", "out"), ("--out a --steps 3", "a out", "a", "a", "a"),
    ("--out a", "out", "a", "a", "datasets"), ("--percent 6 --out datasets", "out", "datasets", "datasets", "datasets"),
    ("--data my.h5 --parameters p/parameters.npy", "out", "out", "out", "p")])
def test_which_folder_is_written_to_and_which_network_is_read(arguments, there, out, figures, parameters, tmp_path,
                                                            monkeypatch):
    """there : folders with a network, besides the recorded one."""
    for folder in ("datasets", *there.split()):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "parameters.npy").touch()
    (tmp_path / "my.h5").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(user_input, "PROJECT", str(tmp_path))
    options = pruning.parse_options(arguments.split())
    assert (options.out, options.figures, options.parameters) == (out, figures, f"{parameters}/parameters.npy")


@pytest.mark.parametrize("options, parameters, pruned", [
    ([], "datasets/parameters.npy", "datasets"), (["--photos", "p"], "datasets/parameters.npy", "datasets"),
    (["--pruned", "out"], "datasets/parameters.npy", "out"), (["--out", "out"], "out/parameters.npy", "out"),
    (["--parameters", "out/parameters.npy"], "out/parameters.npy", "out")])
def test_the_run_that_is_read_is_that_of_the_network(options, parameters, pruned, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    for file in ("parameters.npy", "degree_costs.npy"):
        (tmp_path / "out" / file).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(user_input, "PROJECT", str(tmp_path))
    parsed = prun_parameters.parse_options(options)
    assert (parsed.parameters, parsed.pruned) == (parameters, pruned)
