"""`python -m figure` lists the studies: what each shows, and how long it takes. With --draw it draws them all anew."""

import ast
import contextlib
import importlib
import io
import os
import re
import sys

from datasets import files, user_input
from figure import results

PAGES = ("README.md", "figure/README.md")  # with tables of the studies


def list_studies():
    """The name of each study, the first line of its docstring, and its time: those of figure/ that tell a time."""
    folder, studies = os.path.dirname(os.path.abspath(__file__)), []
    for file in sorted(os.listdir(folder)):
        if file.endswith(".py"):
            with open(os.path.join(folder, file), encoding="utf-8") as source:
                text = ast.get_docstring(ast.parse(source.read())) or ""
            time = re.search(r"^Time on 2 cores: (.*)\.$", text, re.MULTILINE)
            if time:
                studies.append((file.removesuffix(".py"), text.splitlines()[0], time[1]))
    return studies


def draw_all(figures):
    """Draw the figures of all studies whose CSV file is there, into a folder. Returns the tables that they print."""
    printed = io.StringIO()
    for name, _, _ in list_studies():
        if os.path.exists(user_input.default_path(f"{results.FIGURES}/{name}.csv")):
            with contextlib.redirect_stdout(printed):
                status = importlib.import_module(f"figure.{name}").main(["--draw", "--figures", figures])
            if status:
                raise user_input.InputError(f"figure.{name} --draw: failed, and said why")
    return printed.getvalue()


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser("List the studies: what each shows, and how long it takes.")
    parser.add_argument("--draw", action="store_true", help="draw the figures of all CSV files in figure/, and write "
                                                            f"their tables into {' and '.join(PAGES)}")
    if parser.parse_args(argv).draw:
        tables = draw_all(user_input.default_path(results.FIGURES))
        print(tables)
        for page in map(user_input.default_path, PAGES):
            with open(page, encoding="utf-8") as file:
                text = results.with_blocks(file.read(), tables)
            files.write_atomically(page, lambda file, text=text: file.write(text.encode()))
        return 0
    for name, subject, time in list_studies():
        print(f"python -m figure.{name}\n    {subject}\n    {time}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
