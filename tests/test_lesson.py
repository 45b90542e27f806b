"""figure/lesson.ipynb: it runs from the beginning to the end, and prints what it was committed with."""

import json
import re

import nbformat
import pytest

from .run_lesson import LESSON, copy_project, run

pytestmark = pytest.mark.filterwarnings("default")  # those of Jupyter are not ours
NUMBER = re.compile(r"\d[\d,]*\.?\d*")


def code_cells(notebook):
    return {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}


def printed(cell):
    """What a cell printed, on standard error as well."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def pictures(cell):
    return ["image/png" in output.get("data", {}) for output in cell.outputs if output.output_type != "stream"]


def numbers(text):
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


@pytest.fixture
def committed():
    return nbformat.read(LESSON, as_version=4)


def test_ten_short_cells_each_with_its_text_and_its_output(committed):
    cells = code_cells(committed)
    assert len(cells) == 10 and LESSON.stat().st_size < 600_000
    assert [cell.execution_count for cell in cells.values()] == list(range(1, 11))
    for text, cell in zip(committed.cells, committed.cells[1:]):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 12 and text.cell_type == "markdown", cell.id
            assert printed(cell) and all(output.get("name") != "stderr" for output in cell.outputs), cell.id
    assert sum(text.source.count("What you should see") for text in committed.cells) == 6


def test_nothing_of_the_machine_that_ran_it_is_in_it(committed):
    assert set(committed.metadata) == {"kernelspec", "language_info"} and len(committed.metadata.language_info) == 1
    assert committed.metadata.kernelspec.name == "python3"
    assert not any(cell.metadata for cell in committed.cells)
    for cell in code_cells(committed).values():
        for output in cell.outputs:
            output.get("data", {}).pop("image/png", None)
    assert not re.search(r"/(home|Users|tmp|root)\b|[A-Z]:\\\\", json.dumps(committed))


@pytest.fixture
def digits(request):
    """The folder of MNIST's four files, or None."""
    try:
        return request.getfixturevalue("mnist")
    except pytest.skip.Exception:
        return None


def test_it_runs_from_the_beginning_to_the_end_and_prints_what_was_committed(committed, digits, tmp_path):
    project = tmp_path / "project"
    copy_project(project, digits)
    files = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    again, before = code_cells(run(project / "figure", tmp_path / "home")), code_cells(committed)
    assert list(again) == list(before)
    for name in again.keys() - {"layer", "file"}:  # which are about LeNet-300-100
        assert printed(again[name]) == printed(before[name]), name
    assert [pictures(cell) for cell in again.values()] == [pictures(cell) for cell in before.values()]
    assert numbers(printed(again["file"])) == pytest.approx(numbers(printed(before["file"])), rel=1e-3)
    error = numbers(printed(before["layer"]))  # in percent
    assert len(error) == 1 and numbers(printed(again["layer"])) == (pytest.approx(error, abs=0.2) if digits else [])
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == files  # nothing is written
