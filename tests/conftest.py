"""What the tests share: a small data set, a small network, and a way to run the scripts."""

import os
import pathlib
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parent.parent
ORIGINAL = ROOT.parent / "shared" / "original"


@pytest.fixture
def original():
    """The folder of the original experiment's own files, which have no licence and so are not in the project."""
    if not ORIGINAL.exists():
        pytest.skip("the original experiment's files are not here: ../shared/original")
    return ORIGINAL


def write_data(path, m=20, m_test=8, shape=(6, 8, 3), seed=0, **changes):
    """Write a small data set: pictures of noise, brighter at the left where the label is 1."""
    random = np.random.RandomState(seed)
    with h5py.File(path, "w") as file:
        for part, number in (("train", m), ("test", m_test)):
            y = (np.arange(number) % 2).reshape(-1, 1).astype(np.uint8)
            X = random.randint(0, 150, (number, *shape)).astype(np.uint8)
            X[:, :, : shape[1] // 2] += 100 * y[:, :, None, None]
            for name, value in ((f"X_{part}", X), (f"y_{part}", y)):
                value = changes.get(name, value)
                if value is not None:
                    file[name] = value
    return path


@pytest.fixture
def small_data(tmp_path):
    return write_data(tmp_path / "small.h5")


def run(*arguments, cwd=ROOT, **environment):
    """Run a script as a user would. Returns the finished process, with its output as text."""
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def assert_figure(path):
    """A PNG file with something drawn in it."""
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.width > 400 and len(picture.convert("RGB").getcolors(1 << 24)) > 20


def not_ignoring_ctrl_c():
    """For a process that is to be sent SIGINT: a shell has what it runs in the background ignore that, tests included."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def succeed(*arguments, **keywords):
    """Run a script that must succeed, without a word on standard error. Returns what it printed."""
    process = run(*arguments, **keywords)
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def fail(*arguments, **keywords):
    """Run a script that must fail with one line and exit status 2. Returns the line."""
    process = run(*arguments, **keywords)
    assert process.returncode == 2, process.stderr
    assert process.stderr.count("\n") == 1 and process.stderr.endswith("\n"), process.stderr
    return process.stderr.strip()


def pytest_addoption(parser):
    parser.addoption("--fuzz-cases", type=int, default=1500, help="damaged files of each kind in test_attacks.py")
