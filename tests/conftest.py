"""What the tests share: a small data set, a small network, and two ways to run a script."""

import contextlib
import importlib
import io
import os
import pathlib
import shutil
import subprocess
import sys
from typing import NamedTuple
from unittest import mock

import h5py
import numpy as np
import pytest
import threadpoolctl
from PIL import Image

import nn_functions as nn
from datasets.files import write_atomically
from datasets.networks import save_parameters
from figure import drawing

from .kill_and_resume import contents  # noqa: F401, for the tests

ROOT = pathlib.Path(__file__).parent.parent
ORIGINAL = ROOT.parent / "shared" / "original"

@pytest.fixture(scope="session", autouse=True)
def one_blas_thread():
    """Two are no faster for what is computed here, and beside other work ten times slower."""
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX system")


@pytest.fixture
def original():
    """The folder of the original experiment's own files, which have no licence and so are not in the project."""
    if not ORIGINAL.exists():
        pytest.skip("the original experiment's files are not here: ../shared/original")
    return ORIGINAL


@pytest.fixture(scope="session")
def mnist():
    """The folder of MNIST's four files, which are not in the project: `python -m datasets.fetch_mnist` gets them."""
    for folder in (ROOT.parent / "shared" / "mnist", ROOT / "datasets" / "mnist"):
        if folder.exists():
            return folder
    pytest.skip("the files of MNIST are neither in ../shared/mnist nor in datasets/mnist")


# ------------------------------------------------------------------------------------------------------ small data

def write_data(path, m=20, m_test=8, shape=(6, 8, 3), seed=0, **changes):
    """Write a small data set: pictures of noise, brighter at the left where the label is 1."""
    random = np.random.RandomState(seed)
    with h5py.File(path, "w") as file:
        for part, number in (("train", m), ("test", m_test)):
            y = (np.arange(number) % 2).reshape(-1, 1).astype(np.uint8)
            X = random.randint(0, 150, (number, *shape)).astype(np.uint8)
            X[:, :, : shape[1] // 2] += 100 * y[:, :, None, None]
            for name, default in ((f"X_{part}", X), (f"y_{part}", y)):
                value = changes.get(name, default)
                if value is not None:
                    file[name] = value
    return path


@pytest.fixture
def small_data(tmp_path):
    return write_data(tmp_path / "small.h5")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder in which nn_main.py and pruning.py have been run on a small data set, and what they printed."""
    folder = tmp_path_factory.mktemp("trained")
    common = ("--data", write_data(folder / "small.h5"), "--out", folder / "out", "--figures", folder / "figure")
    for script, options in (("nn_main.py", ("--iterations", 1500, "--learning-rate", 0.05)),
                            ("pruning.py", ("--steps", 4, "--iterations", 30, "--percent", 10))):
        (folder / f"{script}.txt").write_text(succeed(script, *common, *options))
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of three photos, black, dark and bright, and a text file."""
    folder = tmp_path_factory.mktemp("photos")
    for i, number in enumerate((1, 2, 10)):
        Image.fromarray(np.full((90, 160, 3), 80 * i, np.uint8)).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture
def pruning_command(small_data, tmp_path):
    """The command of a small pruning run, but for the folders that it writes to."""
    save_parameters(tmp_path / "p.npy", nn.initialize_parameters((144, 5, 4, 3, 2, 1), 6, "he"), [])
    return ["pruning.py", "--data", small_data, "--parameters", tmp_path / "p.npy"]


@pytest.fixture
def light_figures(monkeypatch):
    """A figure is four fifths of the time of so small a run: here its file holds the numbers of its lines."""
    def save_figure(figure, path, show=False):
        numbers = [line.get_xydata().tolist() for axes in figure.axes for line in axes.lines]
        write_atomically(path, lambda file: file.write(repr(numbers).encode()))
        print(f"figure: {path}")

    monkeypatch.setattr(drawing, "save_figure", save_figure)


def network_that_says_car_above(brightness):
    """A network of 144 inputs that says "car" if the picture's mean brightness, 0 to 255, is above the given one."""
    return {"W1": np.full((1, 144), 10 / 144), "b1": np.zeros((1, 1)), "W2": np.ones((1, 1)),
            "b2": np.full((1, 1), -10 * brightness / 255)}


# ------------------------------------------------------------------------------------------------- running a script

class Finished(NamedTuple):
    """What a script left behind."""

    returncode: int
    stdout: str
    stderr: str


def call(script, *arguments, cwd=ROOT):
    """Run a script's main in this process: "pruning.py", or "figure.far" for `python -m`."""
    module = importlib.import_module(script.removesuffix(".py"))
    out, err = io.StringIO(), io.StringIO()
    with (contextlib.chdir(cwd), mock.patch.object(sys, "argv", [module.__file__, *map(str, arguments)]),
          contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)):
        status = module.main(list(map(str, arguments)))
    return Finished(status, out.getvalue(), err.getvalue())


def run(script, *arguments, cwd=ROOT, **environment):
    """Run a script in a process of its own; environment : variables to set for it."""
    command = [ROOT / script] if script.endswith(".py") else ["-m", script]
    process = subprocess.run([sys.executable, *map(str, (*command, *arguments))], cwd=cwd,
                             env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, capture_output=True,
                             text=True, timeout=300, check=False)
    return Finished(process.returncode, process.stdout, process.stderr)


def succeed(script, *arguments, run=call, **keywords):
    """Run a script that must succeed, without a word on standard error. Returns what it printed."""
    finished = run(script, *arguments, **keywords)
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout


def fail(script, *arguments, run=call, **keywords):
    """Run a script that must fail with one line and exit status 2. Returns the line."""
    finished = run(script, *arguments, **keywords)
    assert finished.returncode == 2, finished
    assert finished.stderr.count("\n") == 1 and finished.stderr.endswith("\n"), finished.stderr
    return finished.stderr.strip()


def assert_figure(path):
    """A PNG file with something drawn in it."""
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.width > 400 and len(picture.convert("RGB").getcolors(1 << 24)) > 20


# ------------------------------------------------------------------------------------------------- other file systems

@pytest.fixture
def mount(tmp_path):
    """A function that mounts a small file system, full or read-only; skips where that is not allowed."""
    folder = tmp_path / "mounted"

    def mount(option):
        folder.mkdir()
        if not shutil.which("mount") or subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", folder],
                                                       stderr=subprocess.DEVNULL, check=False).returncode:
            pytest.skip("mounting a file system is not allowed here")
        return folder

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", folder], check=True)
