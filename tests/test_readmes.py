"""The READMEs: their tables are what the committed data give, and their commands and Python run as they stand."""

import re
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

import nn_functions as nn
from datasets import networks
from figure import __main__ as studies
from figure import digits, lenet, results

from .conftest import ROOT, succeed
from .test_mnist import write_mnist

README, STUDIES, DATASETS, TESTS = (
    (ROOT / folder / "README.md").read_text(encoding="utf-8") for folder in ("", "figure", "datasets", "tests"))


def code_block(page, beginning):
    """The one block of code of a page that begins so."""
    block, = (block for block in re.findall(r"^```\w*\n(.*?)^```$", page, re.M | re.S) if block.startswith(beginning))
    return block


def execute(command, cwd):
    """Run a command of a page in another folder. Returns what it printed."""
    words = [word for word in shlex.split(command)[1:] if word != "-m"]
    if words[0] == "nn_main.py":
        words += ["--iterations", 2000]  # a quarter of a minute less
    elif words[-1] == "out/he":
        words += ["--steps", 3]
    return succeed(*words, cwd=cwd)


@pytest.mark.parametrize("page, beginning, command", [
    (README, "network: datasets/parameters.npy", ("pruning.py", "--parameters", "datasets/parameters.npy", "--out")),
    (STUDIES, "degree: 86.406 %", ("prun_parameters.py", "--figures"))])
def test_a_command_prints_what_the_page_shows(tmp_path, page, beginning, command):
    printed = iter(succeed(*command, tmp_path).splitlines())
    for line in code_block(page, beginning).splitlines():
        assert line.strip() == "..." or line in printed, line  # in this order
    for path in tmp_path.glob("prun_parameter/prun_parameters39.npy"):  # and leaves the committed network
        again, committed = (networks.load_parameters(file, 10800)
                            for file in (path, ROOT / "datasets" / "prun_parameter" / path.name))
        assert all(np.allclose(again[name], committed[name], rtol=0, atol=1e-9) for name in committed)


def test_the_commands_to_try_run_as_they_stand(tmp_path):
    (tmp_path / "photos_demo").symlink_to(ROOT / "photos_demo")
    table = README[README.index("## Try"):README.index("## Read it")]
    rows = re.findall(r"^\| (`python (?!-m).*) \| (.*) \|$", table, re.M)
    assert len(rows) > 3
    for commands, expected in rows:
        for command in re.findall(r"`(python [^`]+)`", commands):
            printed = execute(command, tmp_path)
        for percent in re.findall(r"(\d+) %", expected):  # of the training pictures, after the last step
            assert round(float(re.findall("^train accuracy: (.*?) %", printed, re.M)[-1])) == int(percent), command


def test_the_commands_for_own_pictures_run_as_they_stand(tmp_path):
    random = np.random.RandomState(0)
    for part in ("train", "test"):
        for kind, red in (("car", 200), ("nocar", 40)):
            folder = tmp_path / "my_photos" / part / kind
            folder.mkdir(parents=True)
            for i in range(6):
                pixels = random.randint(0, 50, (30, 40, 3)).astype(np.uint8)
                pixels[:, :20, 0] += red
                Image.fromarray(pixels).save(folder / f"{i}.png")
    for command in code_block(README, "python -m datasets.make_carvnocar --pictures my_photos").splitlines():
        printed = execute(command, tmp_path)
    assert "right: 12/12" in printed and "(wrong)" not in printed
    assert {path.name for path in tmp_path.iterdir()} == {"my_photos", "out"}


def test_an_own_criterion_runs_as_it_stands(monkeypatch, capsys, tmp_path):
    (tmp_path / "datasets").mkdir()
    shutil.copy(ROOT / "datasets" / "carvnocar.h5", tmp_path / "datasets")
    monkeypatch.chdir(tmp_path)
    code = code_block(README, "import numpy as np\nimport nn_functions as nn, nn_main")
    exec(code.replace("iterations=5000", "iterations=50").replace("masks_of))", "masks_of, iterations=9))"), {})
    printed = capsys.readouterr().out.splitlines()  # 2 % of 172,800
    assert [line.split(" Evaluation(cost=")[0] for line in printed] == [
        "weight and input 3456", "magnitude 3456", "random 3456"]


def test_an_own_method_is_drawn_beside_ours_as_the_page_says(monkeypatch, capsys, tmp_path):
    small = lenet.STUDY._replace(training=digits.Stage((), 1, 0.1, 20, 0),
                                 retraining=(lenet.STUDY.retraining[0], digits.Stage((), 1, 0.1, 20, 0)))
    monkeypatch.setattr(lenet, "STUDY", small)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    write_mnist(tmp_path / "datasets" / "mnist", 60, 20)
    exec(code_block(STUDIES, "import numpy as np\nimport nn_functions as nn, prun_mask"), {})
    rows = results.read("out/my.csv", ("method", "seed", "size", "weights", "kept", "error"))
    assert [round(digits.ratio(row), 1) for row in rows] == [4.0, 13.8] and {row["method"] for row in rows} == {"mine"}


def test_the_python_of_the_data_page_runs_as_it_stands(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    exec(code_block(DATASETS, "import nn_functions as nn\n"), {})
    printed = succeed("nn_test.py", "photos_demo/1.jpg", "--figures", tmp_path, "--parameters",
                      "datasets/prun_parameter/prun_parameters39.npy")
    assert f"photos_demo/1.jpg: car {float(capsys.readouterr().out):.3f}\n" in printed


@pytest.mark.filterwarnings("default")  # those of PyTorch are not ours
def test_the_lines_that_read_an_exported_network_into_pytorch_run_as_they_stand(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(ROOT)
    names = {}
    exec(code_block(DATASETS, "import numpy as np\nimport torch"), names)
    parameters = networks.load_parameters("datasets/lenet.npz", 784, 10)
    X = np.random.RandomState(1).rand(784, 9).astype(np.float32)
    outputs = torch.softmax(names["network"](torch.tensor(X.T)), dim=1).detach().numpy()
    assert np.allclose(outputs.T, nn.predict(X, parameters), rtol=0, atol=1e-5)


# ----------------------------------------------------------------------------------------------------------- the lists

def test_each_promise_names_tests_that_are_there():
    defined = {name for path in (ROOT / "tests").glob("test_*.py")
               for name in [path.name, *re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)]}
    named = set(re.findall(r"`(?:tests/)?(test_[\w.]+)`", TESTS))
    assert len(named) > 20 and named <= defined, named - defined


def test_the_list_of_studies_has_each_with_its_time():
    for name, _, time in studies.list_studies():
        row, = (line for line in STUDIES.splitlines() if line.startswith(f"| `python -m figure.{name}` "))
        assert row.endswith(f"| {time.split(';')[0]} |")


def anchors(page):
    """What links to the headings of a page end in, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page, flags=re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("folder", ["", "figure", "datasets", "tests"])
def test_links_lead_to_files_and_headings_that_are_there(folder):
    page = ROOT / folder / "README.md"
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target
