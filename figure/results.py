"""Results as data: a study NAME.py leaves NAME.csv, from which NAME.png and the tables of the pages are made.

The first line of the file is a comment: `# ` and, in JSON, the settings, versions and processor that it came from. Then
come a header, and a row for each network that was measured: `pandas.read_csv(path, comment="#")`. A float is written as
`repr` writes it, so it is read as the same float, and equal results are equal bytes. The file is also the study's
cache: jobs whose rows are there are not run again. After a change of the code, --fresh begins anew.
"""

import csv
import functools
import io
import json
import os
import platform
import re

import numpy as np

from datasets import files, user_input
from figure import studies

FIGURES = "figure"
BLOCK = re.compile(r"^<!-- ([^\n]+: [^\n]+) -->\n(.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)  # a table of a page


# ------------------------------------------------------------------------------------------------------- the options

def add_options(parser, seeds=None, default=None, with_others=False, most=100_000):
    """The options of a study that leaves a CSV file.

    seeds : what --seeds counts, if the study has seeds; default, most : how many it has without the option, and at most
    with_others : whether an own method can be added, and networks are kept
    """
    if seeds:
        parser.add_argument("--seeds", type=user_input.integer(1, most), default=default, metavar="N",
                            help=f"how many seeds: {seeds}")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--draw", action="store_true", help="make figures and tables of all rows of the CSV file")
    either.add_argument("--fresh", action="store_true", help="begin anew, not with the rows of the CSV file")
    parser.add_argument("--cluster", type=user_input.path, metavar="ADDRESS",
                        help="run on the Dask cluster of this scheduler")
    if with_others:
        parser.add_argument("--with", type=user_input.path, action="append", default=[], dest="others", metavar="FILE",
                            help="a CSV file with the rows of another method, which is drawn beside those that are "
                                 "there (implies --draw)")
        parser.add_argument("--networks", type=user_input.path, metavar="DIR",
                            help="keep the networks that are needed afterwards in this folder")


def find_file(options, name):
    """The CSV file of a study: in --figures; to draw only, the committed one where there is none."""
    path = os.path.join(options.figures, f"{name}.csv")
    if only_drawn(options) and not getattr(options, "held_out", False) and not os.path.exists(path):
        return user_input.default_path(f"{FIGURES}/{name}.csv")
    return path


def only_drawn(options):
    """Whether the options say that nothing is run."""
    return options.draw or bool(getattr(options, "others", None))


# ---------------------------------------------------------------------------------------------------------- the file

def run(do, jobs, path, settings, columns, *, is_done=None, fresh=False, cluster=None, unit="networks"):
    """Do the jobs whose rows are not in the file yet, side by side, and write the rows of each as soon as it ends.

    do : a function of a job that can be pickled; returns its rows, a list of dicts, of which it may leave out the job's
        own columns
    jobs : dicts of the columns that tell a job from all others, as {"method": "iterative", "seed": 1}
    settings : what else decides the rows, as JSON has it; columns : of the file, but for "processor"
    is_done : None, or whether a job whose rows are there is done, for example because its network is there, too
    fresh : begin anew; cluster, unit : see `studies.in_parallel`
    Returns all rows of the file: those of the jobs, in their order, then those of others. Raises InputError.
    """
    columns, place, rows = [*columns, "processor"], _places(jobs), []
    if os.path.exists(path) and not fresh:
        rows = _rows_to_go_on_with(path, json.loads(json.dumps(settings)), columns)
    there = {place(row) for row in rows}
    missing = [job for i, job in enumerate(jobs) if i not in there or is_done and not is_done(job)]
    for job, found in studies.in_parallel(functools.partial(_do, do), missing, unit, cluster):
        rows = sorted([row for row in rows if place(row) != place(job)] + found, key=place)
        write(path, rows, columns, settings)
    if rows != sorted(rows, key=place):  # an earlier call had them in another order
        write(path, sorted(rows, key=place), columns, settings)
    return read(path)


def _do(do, job):
    return job, [{**row, **job, "processor": processor()} for row in do(job)]


def _places(jobs):
    """A function that tells the place of a row's job among all; the number of jobs, if it is of none."""
    place_of = {}  # from the names of the columns that tell a job, to a dict from their values to the place
    for place, job in enumerate(jobs):
        place_of.setdefault(tuple(job), {})[tuple(_parse(_format(value)) for value in job.values())] = place

    def place(row):
        keys = ((found, tuple(row.get(name) for name in names)) for names, found in place_of.items())
        return next((found[key] for found, key in keys if key in found), len(jobs))

    return place


def _rows_to_go_on_with(path, settings, columns):
    about, there, rows = _load(path)
    before = about.get("settings", {})
    other = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
    if other or there != columns:
        what = f"settings ({', '.join(other)})" if other else "columns"
        raise user_input.InputError(f"{path}: was made with other {what}; go on with --fresh, which begins anew, or in "
                                    "another folder with --figures")
    return rows


def _load(path):
    """What the first line tells, a dict; the columns; and the rows."""
    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    with user_input.as_input_error(path, "a CSV file with a header"):
        first, _, table = text.partition("\n") if text.startswith("#") else ("#{}", "", text)
        reader = csv.DictReader(io.StringIO(table), strict=True)
        rows = list(reader)
        if any(None in (*row, *row.values()) for row in rows):
            raise ValueError("not every row has as many cells as the header")
        rows = [{name: _parse(text) for name, text in row.items()} for row in rows]
        return json.loads(first[1:]), list(reader.fieldnames), rows


def read(path, columns=(), positive=()):
    """The rows of a CSV file, a list of dicts, with numbers as int and float, and None for empty cells.

    columns : those that must be there; positive : those whose cells must be numbers above 0
    Raises InputError, or OSError
    """
    _, there, rows = _load(path)
    missing = [name for name in columns if name not in there]
    if missing:
        raise user_input.InputError(f"{path}: has no column {', '.join(missing)}")
    for row in rows:
        if not all(isinstance(row[name], int | float) and row[name] > 0 for name in positive):
            raise user_input.InputError(f"{path}: {', '.join(positive)} must be numbers above 0, not in {row}")
    return rows


def write(path, rows, columns, settings=None):
    """Write a CSV file, whole or not at all; rows : dicts, in which a column may be missing. Raises ValueError."""
    text = io.StringIO()
    about = {"settings": settings or {}, "versions": {"python": platform.python_version(), "numpy": np.__version__},
             "processor": processor()}
    text.write(f"# {json.dumps(about, ensure_ascii=False)}\n")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _format(value) for name, value in row.items()} for row in rows)
    files.write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def append(path, rows):
    """Add rows, as those of an own method, to a CSV file, which is made if there is none. Raises ValueError.

    rows : dicts; the columns of a new file are those of the first row
    """
    rows = [{**row, "processor": processor()} for row in rows]
    about, columns, before = _load(path) if os.path.exists(path) else ({}, list(rows[0]), [])
    write(path, before + rows, columns, about.get("settings"))


@functools.cache
def processor():
    """The name of this machine's processor, on which the last digits of a float depend."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = re.search(r"^model name\s*:(.*)$", file.read(), re.MULTILINE)[1]
    except (OSError, TypeError):  # not on Linux, or another form of the file
        name = platform.processor() or platform.machine()
    return " ".join(name.split())


def _format(value):
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)


def _parse(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None


# -------------------------------------------------------------------------------------------------------- the tables

def median_and_range(values, unit=" %"):
    """For a table: the median of some values, and the lowest and highest; of a single one, the value; of none, ""."""
    if len(values) < 2:
        return "".join(f"{value:.2f}{unit}" for value in values)
    return f"{np.median(values):.2f}{unit} ({np.min(values):.2f} to {np.max(values):.2f})"


def table(header, rows, left=1):
    """A table in Markdown; header, rows : lists of cells; left : how many columns are set to the left."""
    rule = ["---" if column < left else "---:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (header, rule, *rows))


def print_table(name, text):
    """Print a table as it stands in a page, between two comment lines; name : such as "far: all layers"."""
    print(f"\n<!-- {name} -->\n{text}\n<!-- end -->")


def blocks(text):
    """The tables of a page, or of what a study printed: a dict from their names to what stands between the lines."""
    return dict(BLOCK.findall(text))


def with_blocks(page, printed):
    """A page in which each table that has the name of a printed one is that one; page, printed : texts."""
    new = blocks(printed)
    return BLOCK.sub(lambda block: f"<!-- {block[1]} -->\n{new.get(block[1], block[2])}<!-- end -->", page)
