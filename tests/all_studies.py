"""Run every study into a folder, and say which figures differ from the committed ones: `python -m tests.all_studies`.

About two hours on two cores. Each study's tables are kept beside its figures, for a comparison with the READMEs.
The studies on MNIST run only where the digits are, and lenet5, which takes longest, only if it is named.
"""

import argparse
import os
import pathlib
import subprocess
import sys

from figure.__main__ import list_studies

ROOT = pathlib.Path(__file__).parent.parent
MNIST = (ROOT.parent / "shared" / "mnist", ROOT / "datasets" / "mnist")
ORIGINAL = ROOT.parent / "shared" / "original" / "parameters.npy"  # of luserli's experiment
ON_MNIST = ("claims", "lenet", "lenet5", "lenet_grid")
LONG = ("lenet5",)


def run_study(name, folder, mnist):
    """Run a study; what it prints goes to a file of its name. Returns its exit status."""
    command = [sys.executable, "-m", f"figure.{name}", *(["--figures", folder] if name != "lenet_grid" else [])]
    command += ["--data", mnist] if name in ON_MNIST else []
    command += ["--original", ORIGINAL] if name == "roundings" and ORIGINAL.exists() else []
    with open(folder / f"{name}.txt", "w", encoding="utf-8") as printed:
        return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": "utf-8"}, stdout=printed,
                              check=False).returncode


def compare_figures(folder, committed):
    """A line for each figure in the folder: whether the committed folder has the same bytes under that name."""
    lines = []
    for file in sorted(path for path in folder.iterdir() if path.suffix in (".png", ".gif")):
        other = committed / file.name
        state = "new" if not other.exists() else "same" if other.read_bytes() == file.read_bytes() else "differs"
        lines.append(f"{state:8} {file.name}")
    return lines


def main(argv=()):
    parser = argparse.ArgumentParser("all_studies", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="for the figures and tables")
    parser.add_argument("studies", nargs="*", help=f"which studies to run (default: all but {', '.join(LONG)})")
    options = parser.parse_args(argv)
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    mnist = next((path for path in MNIST if path.is_dir()), None)
    failed = []
    for name in options.studies or [study[0] for study in list_studies() if study[0] not in LONG]:
        if name in ON_MNIST and mnist is None:
            print(f"{name} is left out: `python -m datasets.fetch_mnist` gets the digits")
        elif run_study(name, folder, mnist):
            failed.append(name)
    print(*compare_figures(folder, ROOT / "figure"), sep="\n")
    for name in failed:
        print(f"failed: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
