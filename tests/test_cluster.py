"""The studies on a Dask cluster: a real scheduler and two workers give the bytes that one machine gives."""

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

from .conftest import ROOT, contents, needs_posix

distributed = pytest.importorskip("distributed")
pytestmark = needs_posix  # whole groups of processes are killed


@pytest.fixture
def address(tmp_path):
    """The address of a scheduler with two workers, started as figure/README.md says."""
    file, processes = tmp_path / "scheduler.json", []

    def start(part, *options):
        processes.append(subprocess.Popen([sys.executable, "-m", "dask", part, *map(str, options), "--no-dashboard"],
                                          cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                          start_new_session=True))

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file, "--no-show")
        while not (file.exists() and file.read_text()):
            assert processes[0].poll() is None
            time.sleep(0.02)
        address = json.loads(file.read_text())["address"]
        for number in (1, 2):
            start("worker", address, "--nworkers", 1, "--nthreads", 1, "--local-directory", tmp_path / f"{number}")
        with distributed.Client(address, timeout=120, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
        yield address
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_cluster_gives_the_same_bytes_as_one_machine(small_data, address, tmp_path):
    for folder, cluster in (("local", None), ("cluster", address)):
        far.study(small_data, tmp_path / folder / "far.csv", (1, 3), 40, range(4), range(3), cluster=cluster)
    assert contents(tmp_path / "local") == contents(tmp_path / "cluster")
    assert sorted(studies.in_parallel(np.square, [3, 2, 1], cluster=address)) == [1, 4, 9]


def test_an_address_where_nobody_answers_is_one_line():
    with pytest.raises(InputError, match="^x:y:z: no Dask scheduler answers there$"):
        list(studies.in_parallel(np.square, [1], cluster="x:y:z"))


def test_without_the_package_a_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="^--cluster needs the package distributed: pip install distributed$"):
        list(studies.in_parallel(np.square, [1], cluster="x:1"))
