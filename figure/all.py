"""Run all studies, and say what changed: `python -m figure.all`. `python -m figure` only lists them.

Each study runs in a process of its own, as its own command would. Its figures are compared with those that are there,
byte by byte, and the tables that it prints with those in the READMEs, row by row. The studies on MNIST run only
where the digits are.
"""

import sys

if __name__ == "__main__":
    if not __package__:  # run by its path: the project's modules are in the folder above
        sys.path[0] += "/.."
    # Ctrl-C while the modules below are imported.
    from datasets import ctrl_c
    ctrl_c.end_process()

import ast
import contextlib
import os
import re
import subprocess
import time
from typing import NamedTuple

from datasets import mnist, user_input

HERE = os.path.dirname(os.path.abspath(__file__))
ON_MNIST = ("claims", "lenet")
GRACE = 5  # seconds for a study to end by itself on Ctrl-C


class Study(NamedTuple):
    """What a study's docstring says of it."""

    name: str
    subject: str
    time: str


def list_studies():
    """All studies in figure/: the scripts whose docstring says how long they take."""
    studies = []
    for file in sorted(os.listdir(HERE)):
        if file.endswith(".py"):
            with open(os.path.join(HERE, file), encoding="utf-8") as source:
                text = ast.get_docstring(ast.parse(source.read())) or ""
            duration = re.search(r"^Time on 2 cores: (.*)\.$", text, re.MULTILINE)
            if duration:
                studies.append(Study(file.removesuffix(".py"), text.splitlines()[0], duration[1]))
    return studies


def read_figures(folder):
    """The content of each figure in a folder, by its name."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    contents = {}
    for name in names:
        if name.endswith((".png", ".gif")):
            with open(os.path.join(folder, name), "rb") as file:
                contents[name] = file.read()
    return contents


def print_missing_rows(printed, page):
    """Print which rows of the tables in what a study printed are not in a page."""
    rows = [line for line in printed.splitlines() if line.startswith("|")]
    missing = [row for row in rows if row not in page.splitlines()]
    if rows:
        print(f"    {len(rows)} rows of tables, of which {len(missing)} are not in the READMEs")
    for row in missing:
        print(f"        {row}")


def run_study(study, options):
    """Run a study. Returns its exit status, and what it printed; on standard error it prints as ever."""
    command = [sys.executable, "-m", f"figure.{study.name}"]
    if study.name != "keeping":  # which draws nothing
        command += ["--figures", options.figures]
    if study.name in ON_MNIST:
        command += ["--data", options.mnist]
    if study.name == "lenet" and os.path.abspath(options.figures) != HERE:  # else it stays beside the other networks
        command += ["--export", os.path.join(options.figures, "lenet.npz")]
    path = os.pathsep.join(filter(None, [user_input.PROJECT, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8")
    try:
        printed, _ = process.communicate()
    except KeyboardInterrupt:  # in a terminal it is the study's, too
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        process.kill()
        raise
    return process.returncode, printed


def print_changes(status, printed, before, after, page):
    """Print what changed in a study's run; before, after : see `read_figures`; page : the READMEs."""
    if status:
        print(f"    failed with exit status {status}")
    for name in sorted(set(re.findall(r"(\w+\.(?:png|gif))$", printed, re.MULTILINE)) & set(after)):
        print(f"    {name}: " + ("new" if name not in before else "the same bytes" if before[name] == after[name]
                                 else "other bytes"))
    print_missing_rows(printed, page)


@user_input.exit_status
def main(argv=None, chosen=None):
    parser = user_input.ArgumentParser("Run all studies, and say what changed.")
    parser.add_path("--figures", "figure", "DIR", "folder for the figures")
    parser.add_path("--mnist", mnist.MNIST, "DIR", "the digits")
    options = parser.parse_args(argv)
    page = ""
    for folder in (HERE, user_input.PROJECT):
        with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
            page += file.read()
    committed, failed = read_figures(HERE), False

    for study in list_studies():
        if chosen is not None and study.name not in chosen:
            continue
        print(f"{study.name}: {study.subject}", flush=True)
        if study.name in ON_MNIST and not os.path.isdir(options.mnist):
            print(f"    left out: {options.mnist} is not here; `python -m datasets.fetch_mnist` gets it")
            continue
        start = time.perf_counter()
        status, printed = run_study(study, options)
        print_changes(status, printed, committed, read_figures(options.figures), page)
        print(f"    {time.perf_counter() - start:.0f} s", flush=True)
        failed = failed or status
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
