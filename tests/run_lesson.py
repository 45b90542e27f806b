"""Run figure/lesson.ipynb in a copy of the project. As a script: write its outputs anew, which the test compares.

`python -m tests.run_lesson` needs the digits, in datasets/mnist or with --data DIR, and the packages of
tests/requirements.txt. Whoever changes a cell or datasets/lenet.npz runs it.
"""

import os
import pathlib
import shutil
import sys
import tempfile
from unittest import mock

import nbformat
from nbclient import NotebookClient

from datasets import files, mnist, user_input

ROOT = pathlib.Path(__file__).parent.parent
LESSON = ROOT / "figure" / "lesson.ipynb"
NEEDED = ("*.py", "datasets/*.py", "datasets/carvnocar.h5", "datasets/lenet.npz", "figure/*.py")


def copy_project(project, digits=None):
    """Copy what the lesson needs to a folder; digits : None, or the folder of MNIST's four files."""
    for path in (path for pattern in NEEDED for path in ROOT.glob(pattern)):
        copy = project / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    if digits:
        shutil.copytree(digits, project / mnist.MNIST)


def run(folder, home):
    """Run the lesson. Returns the notebook, with its outputs.

    folder : that the kernel starts in, the root of a copy of the project, or figure/ there
    home : a folder for what Jupyter writes
    """
    variables = {name: str(home) for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR")}
    variables |= {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}  # see `nn_main.limit_blas`
    client = NotebookClient(nbformat.read(LESSON, as_version=4), timeout=None, kernel_name="python3",
                            record_timing=False, resources={"metadata": {"path": str(folder)}},
                            extra_arguments=["--log-level=40"])  # nothing of how the kernel is connected
    with mock.patch.dict(os.environ, variables):
        return client.execute()


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser("Run figure/lesson.ipynb, and write its outputs anew.")
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    options = parser.parse_args(argv)
    mnist.load_mnist(options.data)  # whether they are there
    with tempfile.TemporaryDirectory() as folder:
        project = pathlib.Path(folder) / "project"
        copy_project(project, options.data)
        notebook = run(project / "figure", f"{folder}/home")
    notebook.metadata.language_info = {"name": "python"}  # without the version
    files.write_atomically(str(LESSON), lambda file: file.write(nbformat.writes(notebook).encode() + b"\n"))
    print(f"lesson: {LESSON}, {LESSON.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
