"""`python -m figure` and `figure.all`: what is listed, what is run, and what is said of it."""

import os
import signal
import subprocess
import sys
import time
import types

import pytest

from figure import all as all_studies

from .conftest import ROOT, call, fail, needs_posix, not_ignoring_ctrl_c, run, succeed


def test_every_study_is_listed_with_what_it_shows_and_how_long_it_takes():
    scripts = {path.stem for path in (ROOT / "figure").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert {study.name for study in all_studies.list_studies()} == scripts - {"all", "__main__"}
    listed = succeed("figure.__main__", run=run)
    for study in all_studies.list_studies():
        assert f"python -m figure.{study.name}\n    {study.subject}\n    {study.time}\n" in listed
    assert succeed("figure", run=run) == listed  # by the folder's path
    assert fail("figure.__main__", "--wrong", run=run) == "__main__.py: unrecognized arguments: --wrong"


def test_all_runs_the_studies_and_says_what_changed(tmp_path):
    text = succeed("figure.all", "--figures", tmp_path, "--mnist", tmp_path / "none", chosen=("network", "lenet"))
    committed, new = ((folder / "network.png").read_bytes() for folder in (ROOT / "figure", tmp_path))
    assert f"network.png: {'the same bytes' if committed == new else 'other bytes'}" in text
    assert "left out" in text and "of tables" not in text


def test_what_each_study_is_run_with(monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(all_studies.subprocess, "Popen", lambda command, **_: commands.append(command))
    options = types.SimpleNamespace(figures=str(tmp_path), mnist="digits")
    for study in all_studies.list_studies():
        with pytest.raises(AttributeError):  # there is no process
            all_studies.run_study(study, options)
    arguments = {command[2]: command[3:] for command in commands}
    figures = ["--figures", str(tmp_path)]
    assert arguments.pop("figure.keeping") == []
    assert arguments.pop("figure.claims") == [*figures, "--data", "digits"]
    assert arguments.pop("figure.lenet") == [*figures, "--data", "digits", "--export", str(tmp_path / "lenet.npz")]
    with pytest.raises(AttributeError):  # the committed network is written where it stands
        all_studies.run_study(all_studies.Study("lenet", "", ""), types.SimpleNamespace(
            figures=str(ROOT / "figure"), mnist="digits"))
    assert "--export" not in commands[-1]
    assert len(arguments) == 8 and all(options == figures for options in arguments.values())


def test_a_study_that_fails_is_told_and_the_others_run(monkeypatch, tmp_path):
    monkeypatch.setattr(all_studies, "run_study", lambda study, _: (int(study.name == "far"), ""))
    finished = call("figure.all", "--figures", tmp_path, "--mnist", tmp_path, chosen=("far", "weights"))
    assert finished.returncode == 2 and finished.stdout.count("failed with exit status 1") == 1
    assert finished.stdout.index("far:") < finished.stdout.index("failed") < finished.stdout.index("weights:")


def test_what_changed_is_told(capsys):
    printed = "| a | 1 |\n| b | 2 |\n| c | 3 |\nfigure: x/same.png\nfigure: x/other.png\nfigure: x/new.png"
    all_studies.print_changes(0, printed, {"same.png": b"1", "other.png": b"1"},
                              {"same.png": b"1", "other.png": b"2", "new.png": b"3"}, "text\n| a | 1 |\n")
    assert capsys.readouterr().out.splitlines() == [
        "    new.png: new", "    other.png: other bytes", "    same.png: the same bytes",
        "    3 rows of tables, of which 2 are not in the READMEs", "        | b | 2 |", "        | c | 3 |"]


@needs_posix
def test_ctrl_c_ends_the_study_too(tmp_path):
    process = subprocess.Popen([sys.executable, "-m", "figure.all", "--figures", tmp_path], cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               preexec_fn=not_ignoring_ctrl_c)
    assert process.stdout.readline().startswith("animation:")
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    # A study that was still importing its modules ends without a line.
    assert process.returncode == 130 and errors.removeprefix("animation.py: interrupted\n") == "all.py: interrupted\n"
