"""`python -m figure` lists the studies: what each shows, and how long it takes."""

import ast
import os
import re
import sys

from datasets import user_input


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


@user_input.exit_status
def main(argv=()):
    user_input.ArgumentParser("List the studies: what each shows, and how long it takes.").parse_args(argv)
    for name, subject, time in list_studies():
        print(f"python -m figure.{name}\n    {subject}\n    {time}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
