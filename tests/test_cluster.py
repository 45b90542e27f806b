"""The studies on a Dask cluster: a real scheduler and two workers give what one machine gives, or one line."""

import concurrent.futures
import functools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from datasets.user_input import InputError
from figure import far, studies

from .conftest import ROOT, contents, fail, needs_posix

distributed = pytest.importorskip("distributed")
pytestmark = needs_posix  # whole groups of processes are killed


def wait_for(condition):
    """What the condition returns as soon as it is true. The limit is there only so that a failure has an end."""
    for _ in range(6000):
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError("waited for two minutes")


@pytest.fixture
def start(tmp_path):
    """A function that starts a part of a cluster, as figure/README.md says, in the project's folder or another."""
    processes = []

    def start(part, *options, folder=ROOT):
        processes.append(subprocess.Popen([sys.executable, "-m", "dask", part, *map(str, options), "--no-dashboard"],
                                          cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                          start_new_session=True))
        return processes[-1]

    yield start
    for process in processes:
        stop(process)


def stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def scheduler(start, tmp_path):
    """The process of a scheduler, and its address."""
    file = tmp_path / "scheduler.json"
    process = start("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file, "--no-show")
    return process, json.loads(wait_for(lambda: file.exists() and file.read_text()))["address"]


@pytest.fixture
def workers(start, scheduler, tmp_path):
    """The processes of two workers."""
    return start_workers(start, scheduler[1], tmp_path, ROOT)


def start_workers(start, address, tmp_path, folder):
    processes = [start("worker", address, "--nworkers", 1, "--nthreads", 1, "--local-directory", tmp_path / f"{number}",
                       folder=folder) for number in (1, 2)]
    with distributed.Client(address, timeout=120, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    return processes


def wait_for_file(folder, number):
    """A job that says that it runs, and ends when it may."""
    (folder / f"job{number} process{os.getpid()}").touch()
    wait_for((folder / "go").exists)
    return number**2


@pytest.fixture
def running(scheduler, workers, tmp_path):
    """Two jobs that run: the future of what `in_parallel` returns, and their folder."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        future = thread.submit(studies.in_parallel, functools.partial(wait_for_file, folder), [2, 3],
                               cluster=scheduler[1])
        wait_for(lambda: len(list(folder.iterdir())) == 2)
        yield future, folder


def test_a_cluster_gives_the_same_bytes_as_one_machine(small_data, scheduler, workers, tmp_path, capsys):
    cases = {name: case._replace(steps=3) for name, case in far.CASES.items()}
    printed = []
    for folder, cluster in (("local", None), ("cluster", scheduler[1])):
        far.study(small_data, tmp_path / folder, (1, 3), 40, cases, cluster=cluster)
        printed.append(capsys.readouterr().out.replace(f"/{folder}/", "/"))
    assert printed[0] == printed[1] and contents(tmp_path / "local") == contents(tmp_path / "cluster")


def test_what_a_lost_worker_did_is_done_by_another(running, workers):
    future, folder = running
    stop(workers[0])
    (folder / "go").touch()
    assert future.result() == [4, 9] and len(list(folder.iterdir())) == 4  # a job ran twice


def test_the_loss_of_the_scheduler_is_one_line(running, scheduler):
    future, folder = running
    stop(scheduler[0])
    with pytest.raises(InputError, match=f"^{scheduler[1]}: this Dask scheduler does not answer any more$"):
        future.result()
    (folder / "go").touch()


def test_workers_in_another_folder_are_one_line(start, scheduler, tmp_path):
    start_workers(start, scheduler[1], tmp_path, tmp_path)
    with pytest.raises(InputError, match="was not started in this project's folder, .*No module named 'figure'"):
        studies.in_parallel(np.square, [1], cluster=scheduler[1])


def test_no_workers_and_another_version_are_one_line_each(start, scheduler, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="this Dask cluster has no workers"):
        studies.in_parallel(np.square, [1], cluster=scheduler[1])
    start_workers(start, scheduler[1], tmp_path, ROOT)
    there = distributed.__version__
    monkeypatch.setattr(distributed, "__version__", "1.2.3")  # here
    with pytest.raises(InputError, match=f": has distributed {there}, and here is 1.2.3$"):
        studies.in_parallel(np.square, [1], cluster=scheduler[1])


@pytest.mark.parametrize("address", ["http://a:1", "x:y:z", "tcp://127.0.0.1:1"])
def test_an_address_where_nobody_answers_is_one_line(address, tmp_path):
    line = fail("figure.far", "--figures", tmp_path / "f", "--cluster", address)
    assert line == f"far.py: {address}: no Dask scheduler answers there"


def test_without_the_package_a_line_says_how_to_get_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "figure.cluster", raising=False)
    monkeypatch.delattr("figure.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="^--cluster needs the package distributed: pip install distributed$"):
        studies.in_parallel(np.square, [1], cluster="x:1")
