"""The studies on a Dask cluster: a real scheduler and two workers on loopback give what one machine gives."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from datasets import pictures, user_input
from figure import far, studies

from .conftest import ROOT, contents, fail, needs_posix, run, succeed
from .test_studies import SMALL

# A study that is at work for a second at least.
LONG = {**SMALL["far"], "cases": {name: case._replace(steps=45) for name, case in far.CASES.items()}}

pytest.importorskip("distributed")
pytestmark = needs_posix  # whole groups of processes are killed


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(part, folder, port, *options):
    """Start a part of the cluster by its command in figure/README.md, in a folder that knows nothing of the project."""
    command, = re.findall(f"^dask ({part} .*)$", (ROOT / "figure" / "README.md").read_text(encoding="utf-8"), re.M)
    for there, here in (("8786", str(port)), ("SCHEDULER", "127.0.0.1"), ("--nworkers 16", "--nworkers 1")):
        command = command.replace(there, here)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.Popen([sys.executable, "-m", "dask", *command.split(), "--no-dashboard", *options], cwd=folder,
                            env=environment, text=True, start_new_session=True, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def stopped_soon(process, seconds):
    """Stop a part of the cluster while the block runs."""
    thread = threading.Timer(seconds, stop, [process])
    thread.start()
    yield
    assert process.poll() is not None  # the block was not over before
    thread.join()


def stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Address(str):
    """The address of a scheduler, and its process."""


@pytest.fixture
def scheduler(tmp_path):
    port = free_port()
    process = start("scheduler", tmp_path, port, "--host", "127.0.0.1", "--no-show")
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.2)
    address = Address(f"tcp://127.0.0.1:{port}")
    address.process = process
    yield address
    stop(process)


@pytest.fixture
def workers(scheduler, tmp_path):
    port = scheduler.rsplit(":", 1)[1]
    processes = [start("worker", tmp_path, port, "--local-directory", str(tmp_path / f"worker{number}"))
                 for number in (1, 2)]
    yield processes
    for process in processes:
        stop(process)


def test_a_cluster_gives_the_same_bytes_although_a_worker_is_lost(small_data, scheduler, workers, tmp_path):
    local = succeed("figure.far", "--data", small_data, "--figures", tmp_path / "local", **LONG)
    command = ["figure.far", "--data", small_data, "--figures", tmp_path / "cluster", "--cluster", scheduler]
    with stopped_soon(workers[0], 0.8):
        assert succeed(*command, **LONG).replace("/cluster/", "/local/") == local
    assert contents(tmp_path / "cluster") == contents(tmp_path / "local")


def test_the_loss_of_the_scheduler_is_one_line(small_data, scheduler, workers, tmp_path):
    settings = {**LONG, "training_iterations": 10**6}
    with stopped_soon(scheduler.process, 1):
        line = fail("figure.far", "--data", small_data, "--figures", tmp_path / "f", "--cluster", scheduler, **settings)
    assert line == f"far.py: {scheduler}: this Dask scheduler does not answer any more"


def test_what_is_wrong_at_the_workers_is_one_line(small_data, scheduler, workers, tmp_path, monkeypatch):
    command = ["figure.far", "--data", small_data, "--figures", tmp_path / "f", "--cluster", scheduler]
    with monkeypatch.context() as patch:
        patch.setattr(user_input, "PROJECT", "/another/place")
        line = fail(*command, cwd=tmp_path, **SMALL["far"])
    assert line == (f"far.py: {scheduler}: a worker does not find the module figure; it needs the packages of "
                    "requirements.txt, and /another/place")
    moved = tmp_path / "moved.h5"
    monkeypatch.setattr(pictures, "load_data", lambda path: os.path.exists(small_data) and os.rename(small_data, moved))
    assert fail(*command, **SMALL["far"]) == f"far.py: {small_data}: No such file or directory"
    assert not (tmp_path / "f").exists()


def test_an_address_where_nobody_answers_is_one_line(small_data, tmp_path, monkeypatch):
    assert studies.ANSWER < 15  # seconds, waited for at most twice
    for address in ("http://a:1", "x:y:z"):  # a process each: its end is a part of it
        line = fail("figure.far", "--data", small_data, "--figures", tmp_path / "f", "--cluster", address, run=run)
        assert line == f"far.py: {address}: no Dask scheduler answers there"
    assert "--cluster: '' is not the address of a server" in fail("figure.far", "--cluster", "")
    monkeypatch.setattr(studies, "ANSWER", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    before = time.perf_counter()
    line = fail("figure.far", "--data", small_data, "--figures", tmp_path / "f", "--cluster", address, **SMALL["far"])
    assert line == f"far.py: {address}: no Dask scheduler answers there" and time.perf_counter() - before < 6


def test_a_cluster_without_workers_is_one_line(small_data, tmp_path, scheduler, monkeypatch):
    monkeypatch.setattr(studies, "ANSWER", 1)
    line = fail("figure.far", "--data", small_data, "--figures", tmp_path / "f", "--cluster", scheduler, **SMALL["far"])
    assert line == f"far.py: {scheduler}: this Dask cluster has no workers"


def test_without_the_package_a_line_says_how_to_get_it(small_data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    line = fail("figure.far", "--data", small_data, "--figures", tmp_path / "f", "--cluster", "x:1", **SMALL["far"])
    assert line == "far.py: --cluster needs the package distributed: pip install distributed"
