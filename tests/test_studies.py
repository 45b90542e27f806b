"""What the studies in figure/ share: each runs on a small data set, draws the same twice, and has one-line errors."""

import importlib
import os
import pathlib
import pickle
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nn_functions as nn
import nn_main
import prun_mask
from datasets.networks import save_parameters
from datasets.pictures import load_data
from datasets.user_input import InputError
from figure import far, keeping, roundings, studies

from .conftest import ROOT, assert_figure, fail, needs_posix, not_ignoring_ctrl_c, succeed, write_data

# Settings with which each study takes little time.
SMALL = {
    "delta": {"steps": 3},
    "far": {"seeds": (1, 3), "training_iterations": 40,
            "cases": {name: case._replace(steps=4) for name, case in far.CASES.items()}},
    "keeping": {"seeds": (1, 3), "training_iterations": 40, "steps": 3,
                "cases": {name: case._replace(iterations=min(case.iterations, 30)) for name,
                          case in keeping.CASES.items()}},
    "network": {},
    "roundings": {"steps": 3, "step_sizes": {"large": roundings.StepSizes(0.035, 30, 0.05, 3),
                                             "small": roundings.StepSizes(0.0035, 60, 0.005, 2)}},
    "sensitivity": {},
    "tradeoff": {"seeds": (1, 3), "training_iterations": 40, "more_iterations": 30, "degrees": (40, 80), "steps": 4},
    "weights": {},
}
WITH_FIGURE = sorted(set(SMALL) - {"keeping"})


@pytest.fixture
def in_this_process(monkeypatch):
    """Runs one after the other in this process, with what a process would be sent and would return."""
    def run_all(run, jobs, unit="", cluster=None):
        return [there_and_back(there_and_back(run)(there_and_back(job))) for job in jobs]

    monkeypatch.setattr(studies, "in_parallel", run_all)


def there_and_back(value):
    """As what goes to another process does."""
    return pickle.loads(pickle.dumps(value))


@pytest.fixture
def networks(small_data, tmp_path):
    """The options of a small network before and after pruning."""
    before = nn.initialize_parameters((144, *nn_main.LAYERS, 1), 1)
    save_parameters(tmp_path / "before.npy", before, [])
    save_parameters(tmp_path / "after.npy", prun_mask.apply_masks(before, prun_mask.prune_masks(before, 60)), [])
    return ["--parameters", str(tmp_path / "before.npy"), "--pruned", str(tmp_path / "after.npy")]


@pytest.mark.parametrize("study", SMALL)
def test_every_study_runs_and_draws_the_same_twice(study, in_this_process, small_data, networks, tmp_path):
    results = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        options = ["--data", small_data,
                   *networks[:{"delta": 2, "sensitivity": 2, "network": 4, "weights": 4}.get(study, 0)]]
        options += ["--figures", folder] if study in WITH_FIGURE else []
        options += ["--original", "missing"] if study == "roundings" else []
        text = succeed(f"figure.{study}", *options, **SMALL[study])
        results.append([text.replace(str(folder), "")])
        if study in WITH_FIGURE:
            assert_figure(folder / f"{study}.png")
            results[-1].append((folder / f"{study}.png").read_bytes())
            assert f"figure/{study}.png" in importlib.import_module(f"figure.{study}").__doc__
    assert results[0] == results[1] and (results[0][0] or study == "network")


@pytest.mark.parametrize("study", SMALL)
def test_studies_have_help_and_one_line_errors(study, tmp_path):
    assert "default: datasets/carvnocar.h5" in succeed(f"figure.{study}", "--help")
    assert fail(f"figure.{study}", "--wrong") == f"{study}.py: unrecognized arguments: --wrong"
    figures = ["--figures", tmp_path / "figures"] if study in WITH_FIGURE else []
    line = fail(f"figure.{study}", "--data", tmp_path / "missing", *figures)
    assert line == f"{study}.py: {tmp_path / 'missing'}: No such file or directory"


@pytest.mark.parametrize("study", ["delta", "far", "keeping", "roundings", "tradeoff"])
def test_what_is_to_be_said_of_the_data_is_said_once(study, in_this_process, networks, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module(f"figure.{study}"), "draw", lambda *_: None, raising=False)
    X = np.random.RandomState(0).rand(28, 6, 8, 3)
    write_data(tmp_path / "floats.h5", X_train=X[:20], X_test=X[20:])
    figures = ["--figures", tmp_path / "figures"] if study in WITH_FIGURE else []
    text = succeed(f"figure.{study}", "--data", tmp_path / "floats.h5", *figures,
                   *networks[:2 if study == "delta" else 0], **SMALL[study])
    assert text.count("the pictures are float64, taken as values from 0 to 1") == 1


def test_networks_that_do_not_belong_together_are_refused(small_data, networks, tmp_path):
    save_parameters(tmp_path / "other.npy", nn.initialize_parameters((144, 6, 4, 3, 2, 1), 1), [])
    for study in ("network", "weights"):
        line = fail(f"figure.{study}", "--data", small_data, *networks[:2], "--pruned", tmp_path / "other.npy",
                    "--figures", tmp_path)
        assert line == (f"{study}.py: {tmp_path / 'other.npy'}: is not {tmp_path / 'before.npy'} pruned, "
                        "its layers are of other sizes")


def test_trained_networks_are_those_of_nn_main(small_data, in_this_process):
    data = load_data(small_data)
    networks = studies.trained_networks(small_data, (1, 3), 40)
    assert list(networks) == [1, 3]
    for seed, network in networks.items():
        start = nn.initialize_parameters((144, 5, 4, 3, 2, 1), seed)
        expected, _, _ = nn_main.train(data.X_train, data.Y_train, start, 0.0035, 40)
        assert all(np.array_equal(network[name], expected[name]) for name in expected)


def test_median_and_range():
    assert studies.median_and_range([1, 5, 2]) == "2.00 % (1.00 to 5.00)"
    assert studies.median_and_range([1, 2], "{:.1f}", "") == "1.5 (1.0 to 2.0)"


# ------------------------------------------------------------------------------------------------------ in parallel

def threads_and_square(number):
    if number < 0:
        raise InputError("below 0")
    return os.environ["OPENBLAS_NUM_THREADS"], os.getpid(), number**2


def test_parallel_runs_keep_their_order_and_have_one_thread_each(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    results = studies.in_parallel(threads_and_square, range(9))
    assert [square for _, _, square in results] == [i**2 for i in range(9)]
    assert all(threads == "1" and process != os.getpid() for threads, process, _ in results)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(InputError, match="below 0"):
        studies.in_parallel(threads_and_square, [1, -1, 2])
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7" and "OMP_NUM_THREADS" not in os.environ
    assert signal.getsignal(signal.SIGINT) is handler


@needs_posix
def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(InputError, match="a process was killed, perhaps because the memory is full"):
        studies.in_parallel(kill_itself, [1, 2, 3])


def kill_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


@needs_posix
def test_the_processes_end_with_a_study_that_is_killed(tmp_path):
    (tmp_path / "study.py").write_text("import os, sys, time\nfrom figure import studies\n"
                                       "def job(file):\n    open(file, 'w').write(str(os.getpid()))\n"
                                       "    time.sleep(100)\n"
                                       "if __name__ == '__main__':\n    studies.in_parallel(job, sys.argv[1:])\n")
    process = subprocess.Popen([sys.executable, tmp_path / "study.py", tmp_path / "pid"], cwd=ROOT,
                               env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def wait_until(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = pathlib.Path(f"/proc/{process}/stat")  # an ended process that nobody has waited for is still listed
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@needs_posix
@pytest.mark.parametrize("seconds", [0.3, 2])  # while the processes start, and while they work
def test_ctrl_c_ends_a_study_in_one_line(seconds, tmp_path):
    # A terminal sends it to all processes of the group.
    code = ("import os, signal, sys, threading\nimport figure.far\nif __name__ == '__main__':\n"
            f"    threading.Timer({seconds}, os.killpg, (os.getpid(), signal.SIGINT)).start()\n"
            "    sys.argv[0] = 'far.py'\n    sys.exit(figure.far.main())\n")
    (tmp_path / "study.py").write_text(code)
    process = subprocess.run([sys.executable, tmp_path / "study.py"], cwd=ROOT,
                             env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
                             capture_output=True, text=True, timeout=60, preexec_fn=not_ignoring_ctrl_c,
                             start_new_session=True)
    assert (process.returncode, process.stderr) == (130, "far.py: interrupted\n")


# --------------------------------------------------------------------------------------------------- committed figures

def test_committed_figures_of_the_studies_are_small_and_shown():
    studies_page = (ROOT / "figure" / "README.md").read_text(encoding="utf-8")
    for study in (*WITH_FIGURE, "lenet", "claims"):
        path = ROOT / "figure" / f"{study}.png"
        assert_figure(path)
        assert path.stat().st_size < 300_000
        assert f"({study}.png)" in studies_page
    assert all(f"python -m figure.{study}" in studies_page for study in (*SMALL, "lenet", "claims"))
    for page in (ROOT / "README.md", ROOT / "figure" / "README.md", ROOT / "tests" / "README.md",
                 ROOT / "datasets" / "README.md"):
        for link in re.findall(r"\]\(([\w/]+\.(?:png|md))", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page}: {link}"
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 230


def test_so_many_seeds_are_the_first_that_learn(small_data, in_this_process, monkeypatch):
    monkeypatch.setattr(nn_main, "why_nothing_learned", lambda X, Y, network: "" if network["b1"][0] < 0 else None)
    learned = [seed for seed in range(1, 20) if nn.initialize_parameters((144, 5, 4, 3, 2, 1), seed)["b1"][0] >= 0]
    found = studies.trained_networks(small_data, 4, 1)
    assert list(found) == learned[:4]
    expected = studies.trained_networks(small_data, learned[:4], 1)
    assert all(np.array_equal(found[seed]["W1"], expected[seed]["W1"]) for seed in found)
    monkeypatch.setattr(nn_main, "why_nothing_learned", lambda *_: "never")
    with pytest.raises(InputError, match="nothing is learned at any of the seeds 1 to 30$"):
        studies.trained_networks(small_data, 40, 1)
