"""`python -m figure` and `figure.all`: what is listed, what is run, and what is said of it."""

from figure import all as all_studies

from .conftest import ROOT, run, succeed


def test_every_study_is_listed_with_what_it_shows_and_how_long_it_takes():
    scripts = {path.stem for path in (ROOT / "figure").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    listed = run("figure.__main__").stdout
    assert {study.name for study in all_studies.list_studies()} == scripts - {"all", "__main__"}
    for study in all_studies.list_studies():
        assert f"python -m figure.{study.name}\n    {study.subject}\n    {study.time}\n" in listed


def test_all_runs_the_studies_and_says_what_changed(tmp_path):
    text = succeed("figure.all", "--figures", tmp_path, "--mnist", tmp_path / "none", chosen=("sensitivity", "lenet"))
    assert "sensitivity.png: the same bytes" in text or "sensitivity.png: other bytes" in text
    assert "left out" in text and (tmp_path / "sensitivity.png").exists()
    assert "all rows of its tables are in the READMEs" in text


def test_what_changed_is_told(capsys):
    printed = "| a | 1 |\n| b | 2 |\nfigure: x/same.png\nfigure: x/other.png\nfigure: x/new.png"
    all_studies.print_changes(1, printed, {"same.png": b"1", "other.png": b"1"},
                              {"same.png": b"1", "other.png": b"2", "new.png": b"3"}, "text\n| a | 1 |\n")
    assert capsys.readouterr().out.splitlines() == [
        "    failed with exit status 1", "    new.png: new", "    other.png: other bytes",
        "    same.png: the same bytes",
        "    1 rows of its tables are not in the READMEs", "        | b | 2 |"]
