"""Results as data: the CSV file of a study, which is its cache as well, and the tables of the pages made from it."""

import csv
import functools
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from datasets.user_input import InputError
from figure import drawing, results, studies  # noqa: F401, the latter for a process of its own
from figure.__main__ import draw_all, list_studies

from .conftest import ROOT, needs_posix

JOBS = [{"method": "iterative", "seed": 1}, {"method": "iterative", "seed": 2}, {"method": "as long", "kept": 7}]
SETTINGS = {"rates": (0.1, 0.2)}
COLUMNS = ("method", "seed", "kept", "error")


def do(folder, job):
    """Rows with floats of many digits; a file tells that the job was done."""
    (folder / "-".join(map(str, job.values()))).touch()
    if job.get("seed") == 1:
        return [{"kept": kept, "error": np.float64(1) / kept} for kept in (3, 7)]
    return [{"seed": 9, "error": np.float32(0.1)}] if "kept" in job else [{"kept": 5, "error": 1e-300}]


@pytest.fixture
def run(tmp_path):
    """A function that does jobs, and returns the rows, the bytes of the file, and which jobs were done."""
    def run(jobs=JOBS, settings=SETTINGS, columns=COLUMNS, name="a.csv", **keywords):
        folder = tmp_path / "done"
        folder.mkdir(exist_ok=True)
        rows = results.run(functools.partial(do, folder), jobs, tmp_path / name, settings, columns, **keywords)
        done = {path.name for path in folder.iterdir()}
        for path in folder.iterdir():
            path.unlink()
        return rows, (tmp_path / name).read_bytes(), done

    return run


def test_the_rows_are_read_as_the_same_numbers_and_by_others(run):
    rows, content, _ = run()
    assert [[row[name] for name in COLUMNS] for row in rows] == [
        ["iterative", 1, 3, 1 / 3], ["iterative", 1, 7, 1 / 7], ["iterative", 2, 5, 1e-300],
        ["as long", 9, 7, float(np.float32(0.1))]]
    assert {row["processor"] for row in rows} == {results.processor()}
    first, *others = content.decode().splitlines()
    assert json.loads(first.removeprefix("# "))["settings"] == {"rates": [0.1, 0.2]}
    assert [row["error"] for row in csv.DictReader(others)][:2] == [repr(1 / 3), repr(1 / 7)]


def test_what_is_there_is_not_run_again_and_the_order_is_that_of_the_jobs(run):
    _, content, done = run()
    assert done == {"iterative-1", "iterative-2", "as long-7"}
    assert run(JOBS[2:], name="b.csv")[2] == {"as long-7"}
    assert run(JOBS[1:], name="b.csv")[2] == {"iterative-2"}
    rows, again, done = run(name="b.csv")  # in three pieces
    assert again == content and done == {"iterative-1"}
    assert run(JOBS[:1], name="b.csv")[0] == rows  # the other rows stay
    assert run(is_done=lambda job: job["seed"] != 2, jobs=JOBS[:2])[1:] == (content, {"iterative-2"})


def test_a_file_made_with_other_settings_is_refused_and_made_anew_with_fresh(run, tmp_path):
    _, content, _ = run()
    for keywords, what in (({"settings": {"rates": (0.1, 0.3)}}, r"settings \(rates\)"),
                           ({"columns": (*COLUMNS, "more")}, "columns")):
        with pytest.raises(InputError, match=f"a.csv: was made with other {what}; .*--fresh"):
            run(**keywords)
    assert (tmp_path / "a.csv").read_bytes() == content
    _, other, done = run(JOBS[:1], {"rates": (0.1, 0.3)}, fresh=True)
    assert done == {"iterative-1"} and other.count(b"\n") == 4


def be_killed_at_2(job):
    if job["seed"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return [{"error": job["seed"]}]


@needs_posix
def test_a_killed_study_keeps_the_rows_of_the_jobs_that_have_ended(tmp_path):
    arguments = f"[{{'seed': seed}} for seed in (1, 2, 3)], {str(tmp_path / 'a.csv')!r}, {{}}, ['seed', 'error']"
    program = ("from tests.test_results import *\n"
               f"studies.joblib.cpu_count = lambda: 1\nresults.run(be_killed_at_2, {arguments})")
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [row["error"] for row in results.read(tmp_path / "a.csv")] == [1]


def test_an_own_method_is_appended_row_by_row(tmp_path):
    path = tmp_path / "my.csv"
    results.append(path, [{"method": "mine", "seed": 1, "error": 1.5}])
    results.append(path, [{"method": "mine", "seed": 2, "error": 1.25}])
    assert [(row["seed"], row["error"]) for row in results.read(path, ["error"])] == [(1, 1.5), (2, 1.25)]
    with pytest.raises(ValueError, match="'eror'"):
        results.append(path, [{"method": "mine", "seed": 3, "eror": 1.25}])
    with pytest.raises(InputError, match="my.csv: has no column kept_1"):
        results.read(path, ["seed", "kept_1"])
    path.write_text("a,b\n1,2\n3\n")
    with pytest.raises(InputError, match="my.csv: not a CSV file .*as many cells as the header"):
        results.read(path)


# -------------------------------------------------------------------------------------------------------- the tables

def test_a_table_and_a_median_with_its_range():
    assert results.table(["a", "b"], [["x", 1]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
    assert results.median_and_range([3.0, 1, 2]) == "2.00 % (1.00 to 3.00)"
    assert results.median_and_range([3.0], "") == "3.00"


def test_the_tables_of_a_page_are_those_that_are_printed(capsys):
    page = "text\n<!-- far: a -->\nold\n<!-- end -->\nmore\n<!-- far: b -->\n<!-- end -->\n"
    results.print_table("far: b", "new\nrows")
    results.print_table("far: c", "not in the page")
    assert results.with_blocks(page, capsys.readouterr().out) == page.replace("b -->\n", "b -->\nnew\nrows\n")


def test_the_tables_of_the_pages_are_those_of_the_committed_files(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "DPI", 60)
    with_results = {name for name, _, _ in list_studies() if (ROOT / "figure" / f"{name}.csv").exists()}
    without = {name for name, _, _ in list_studies()} - with_results
    printed = draw_all(tmp_path)
    for page in ("README.md", "figure/README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        there = {name: table for name, table in results.blocks(text).items() if name.partition(":")[0] not in without}
        assert text.count("<!--") == 2 * len(results.blocks(text)) > 0  # each table is one that is compared
        assert there.items() <= results.blocks(printed).items()
    assert {path.stem for path in tmp_path.glob("*.png")} >= with_results  # their bytes depend on Matplotlib's version
    for path in (ROOT / "figure").glob("*.csv"):
        assert path.stat().st_size <= 200_000, path.name
