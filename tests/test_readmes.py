"""The numbers in the READMEs: those of the committed files, of runs that take seconds, and the same on every page.

The tables of the studies that take minutes are not: they are copied from a run of the command named with them.
"""

import ast
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import nn_functions as nn
import nn_test
import prun_mask
import pruning
from datasets import networks, npy, pictures
from figure import claims, weights
from figure.__main__ import list_studies

from .conftest import ROOT, assert_figure, succeed

README = (ROOT / "README.md").read_text(encoding="utf-8")
STUDIES = (ROOT / "figure" / "README.md").read_text(encoding="utf-8")
DATASETS = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")


def rows(page):
    """The rows of all tables in a page, each a list of its cells."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]


def prose(page):
    """A page in one line."""
    return " ".join(page.split())


def row_that_begins(page, begin):
    found, = [row for row in rows(page) if row[0] == begin]
    return found


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """Draw nothing: it is the numbers that are compared."""
    for module, function in ((pruning, "draw_record"), (weights, "draw"), (nn_test, "draw_photos")):
        monkeypatch.setattr(module, function, lambda *_: None)


@pytest.fixture(scope="module")
def data():
    return pictures.load_data(ROOT / "datasets" / "carvnocar.h5")


@pytest.fixture(scope="module")
def committed():
    """The committed network, unpruned and after step 39."""
    return [networks.load_parameters(ROOT / "datasets" / file, 10800)
            for file in ("parameters.npy", "prun_parameter/prun_parameters39.npy")]


# ------------------------------------------------------------------------------------------------------- the record

def test_the_result_is_that_of_the_committed_networks(data, committed, tmp_path):
    printed = succeed("prun_parameters.py", "--export", tmp_path / "small.npz", "--figures", tmp_path)
    assert printed[: printed.index("exported")].strip() in STUDIES
    photos = re.findall(r"photos: (\d+/27)", printed)
    degree = f"{prun_mask.degree(committed[1]):.3f}"
    _, train, test = zip(*[map("{:.2f} %".format, nn.evaluate(data, network)) for network in committed])
    assert tuple(row_that_begins(README, "training accuracy (181 pictures)")[1:3]) == train
    assert tuple(row_that_begins(README, "test accuracy (60 pictures)")[1:3]) == test
    assert row_that_begins(README, "demo photos")[1:3] == photos
    assert row_that_begins(README, "car network: weights that are 0, layers 1 to 4")[2] == f"**{degree[:4]} %**"
    assert tuple(row_that_begins(README, "car network: accuracy on the 181 training pictures")[1:3]) == train
    assert tuple(row_that_begins(README, "car network: accuracy on the 60 test pictures")[1:3]) == test
    assert f"由 {test[0]} 变为 {test[1]}".replace(" %", "%") in README and f"为 {degree[:4]}%" in README

    sizes = re.search(r"(\d+) bytes:\n([\d.]+) times .* \((\d+) bytes\),\n([\d.]+) times .* \((\d+) bytes\)", printed)
    small, times, dense, times_float32, dense_float32 = map("{:,}".format, map(ast.literal_eval, sizes.groups()))
    written, times_written = row_that_begins(STUDIES, "dense, float64 (`.npy`)")[1:]
    assert times_written == f"{times} times"
    # The names in the file, 100 bytes of it, depend on NumPy's version.
    assert abs(int(written.replace(",", "")) - int(dense.replace(",", ""))) < 200
    row = row_that_begins(STUDIES, "dense, float32, in the exported format")
    assert row[1:] == [dense_float32, f"{times_float32} times"]
    assert row_that_begins(STUDIES, "exported")[1] == small
    assert f"size (exported: {dense_float32} bytes unpruned, {small} pruned)" in README
    assert "of its verdicts on 241 pictures and 27 photos, none changed\n" in printed
    bits, overhead = re.search(r"an index, layer by layer: ([\d, ]+); with fillers, ([\d.]+) % on", printed).groups()
    assert f"{overhead} % on top of the weights, with gaps of {bits} bits in layers 1 to 5; the paper" in prose(STUDIES)


def test_the_size_of_the_committed_lenet():
    path = ROOT / "datasets" / "lenet.npz"
    bits, overhead = networks.index_storage(networks.load_parameters(path, 784, 10))
    size, bits = f"{path.stat().st_size:,} bytes", ", ".join(map(str, bits))
    assert f"`datasets/lenet.npz`, {size}) needs {bits} bits and {overhead:.1f} %" in prose(STUDIES)
    assert f", {size}; " in README


def test_the_record_is_the_committed_one(data):
    record = npy.load_dict(ROOT / "datasets" / "degree_costs.npy")
    unpruned = npy.load_dict(ROOT / "datasets" / "parameters.npy")["costs"][-1]
    accuracies = record["test_accuracy"]
    assert f"between {min(accuracies):.2f} and {max(accuracies):.2f} %" in prose(STUDIES)
    costs = [unpruned, *record["costs"]]
    assert f"between {min(costs):.4f} and {max(costs):.4f}, in the end {costs[-1]:.4f}" in prose(STUDIES)
    for page in (STUDIES, DATASETS):
        assert f"right for {100 * np.mean(data.Y_test == 0):.1f} % of the test pictures" in prose(page)
    cars = f"{data.Y_train.sum():.0f} of the training and {data.Y_test.sum():.0f} of the test pictures show a car"
    assert cars in prose(DATASETS)


# ------------------------------------------------------------------------------------------------------- the studies

CRITERIA = {"`--criterion global`": ("--criterion", "global"),
            "`--criterion std --quality 1.5 --steps 1`": ("--criterion", "std", "--quality", 1.5, "--steps", 1)}


def check_row_of_criteria(name, out, place, left):
    """Compare a row of the table of criteria with a step of the run in a folder; place : the step's in the record."""
    values = {key: numbers[place] for key, numbers in npy.load_dict(out / "degree_costs.npy").items()
              if key in ("degree", "costs", "train_accuracy", "test_accuracy")}
    assert row_that_begins(STUDIES, name)[1:] == [
        f"{values['degree']:.3f} %", f"{values['train_accuracy']:.2f} / {values['test_accuracy']:.2f} %",
        f"{values['costs']:.3f}", left]


@pytest.mark.parametrize("name", CRITERIA)
def test_the_table_of_criteria(name, tmp_path):
    printed = succeed("pruning.py", "--out", tmp_path, "--figures", tmp_path, *CRITERIA[name])
    check_row_of_criteria(name, tmp_path, -1, re.search("by layer (.*)", printed)[1])


def test_what_is_said_of_the_weights(tmp_path):
    text = succeed("figure.weights", "--figures", tmp_path)
    pattern = r"of the (\d+) connections of layer 1 that are left, (\d+) are .* before training"
    left, survivors = re.search(pattern, text).groups()
    assert f"of the {left} that are left in layer 1, {survivors} are among the {left} largest" in prose(STUDIES)
    spread = re.search(r"was ([\d.]+) before pruning and is ([\d.]+)", text)[0]
    assert f"weights that are left {spread}" in prose(STUDIES)
    pattern = r"changed a weight by ([\d.]+), .* initial ones were ([\d.]+)"
    changed, start = re.search(pattern, text).groups()
    assert f"starts at {float(start):.3f} and is changed by {float(changed):.3f}" in prose(STUDIES)


@pytest.mark.parametrize("name, words", [
    ("`pruning.py`", "the last good step is {step}, with {degree} % pruned and nothing lost. With"),
    ("`--l2 0.1`", "With `--l2 0.1` the last good step is {step}: {degree} % pruned, {left} connections of "
                   "{all:,}, and {accuracy} % on the training pictures")], ids=["plain", "l2"])
def test_how_far_a_tolerance_of_two_points_goes(name, words, tmp_path):
    options = ("--l2", 0.1) if "l2" in name else ()
    printed = succeed("pruning.py", "--tolerance", 2, "--out", tmp_path, "--figures", tmp_path, *options)
    step, degree, left, all_weights, accuracy = re.search(
        r"last good step: (\d+), with ([\d.]+) % .*\nconnections left: (\d+) of (\d+);.*\ntrain accuracy: ([\d.]+) % ",
        printed).groups()
    assert words.format(step=step, degree=degree, accuracy=accuracy, left=left, all=int(all_weights)) in prose(STUDIES)

    network = networks.load_parameters(tmp_path / "prun_parameter" / "prun_parameters39.npy", 10800)
    left = ", ".join(str(np.count_nonzero(network[f"W{l}"])) for l in (1, 2, 3, 4))
    check_row_of_criteria(name, tmp_path, 38, left)  # which has these, too


# ------------------------------------------------------------------------------------------ commands, as they stand

def code_blocks(page, begin):
    """The code blocks of a page that begin with some text."""
    return [block for block in re.findall(r"```\w*\n(.*?)```", page, re.S) if block.startswith(begin)]


def test_the_commands_for_own_pictures_run_as_they_stand(tmp_path):
    """In a copy of the project, with a few small photos of the two kinds."""
    for part in ("train", "test"):
        for kind, red in (("car", 200), ("nocar", 40)):
            (tmp_path / "my_photos" / part / kind).mkdir(parents=True)
            for i in range(6):
                random = np.random.RandomState(i + 100 * red)
                pixels = random.randint(0, 50, (30, 40, 3)).astype(np.uint8)
                pixels[:, :20, 0] += red
                Image.fromarray(pixels).save(tmp_path / "my_photos" / part / kind / f"{i}.png")
    commands, = code_blocks(README, "python -m datasets.make_carvnocar --pictures my_photos")
    for line in commands.splitlines():
        _, *words = line.split()
        if "nn_main.py" in words:
            words += ["--iterations", "2000"]  # a quarter of a minute less
        script = [str(ROOT / words[0]), *words[1:]] if words[0] != "-m" else words
        done = subprocess.run([sys.executable, *script], cwd=tmp_path, capture_output=True, text=True, check=False,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert (done.returncode, done.stderr) == (0, ""), line
    assert done.stdout.count("(wrong)") == 0 and "right: 12/12" in done.stdout


def test_the_python_snippet_runs_as_it_stands(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    snippet, = set(code_blocks(README + DATASETS, "import nn_functions as nn\n"))
    exec(snippet, {})
    verdict = succeed("nn_test.py", "photos_demo/1.jpg", "--figures", tmp_path, "--parameters",
                      "datasets/prun_parameter/prun_parameters39.npy")
    assert f"{float(capsys.readouterr().out):.3f}" in verdict.splitlines()[0]


def test_an_own_criterion_and_schedule_run_as_they_stand(monkeypatch, capsys, tmp_path):
    (tmp_path / "datasets").mkdir()
    shutil.copy(ROOT / "datasets" / "carvnocar.h5", tmp_path / "datasets")
    monkeypatch.chdir(tmp_path)
    snippet, = code_blocks(README, "import matplotlib.pyplot")
    exec(snippet, {})
    printed = capsys.readouterr().out.splitlines()  # 2 % of 172,800
    assert [line.split(" Evaluation(cost=")[0] for line in printed] == [
        "magnitude 3456", "weight and input 3456", "random 3456"]
    assert_figure(tmp_path / "criteria.png")


@pytest.mark.filterwarnings("default")  # those of PyTorch are not ours
def test_the_lines_that_read_an_exported_network_into_pytorch_run_as_they_stand(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(ROOT)
    lines, = code_blocks(DATASETS, "import numpy as np\nimport torch")
    names = {}
    exec(lines, names)
    parameters = networks.load_parameters("datasets/lenet.npz", 784, 10)
    linear = names["network"][::2]
    assert len(linear) == 3
    for l, layer in enumerate(linear, start=1):
        assert np.array_equal(layer.weight.detach().numpy(), parameters[f"W{l}"])
        assert np.array_equal(layer.bias.detach().numpy(), parameters[f"b{l}"][:, 0])
    X = np.random.RandomState(1).rand(784, 9).astype(np.float32)
    outputs = torch.softmax(names["network"](torch.tensor(X.T)), dim=1).detach().numpy()
    assert np.allclose(outputs.T, nn.predict(X, parameters), rtol=0, atol=1e-5)


# --------------------------------------------------------------------------------------------- the same on every page

def section(page, heading):
    return re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", page, re.M | re.S)[1]


def median(cell):
    return cell.split(" (")[0]


@pytest.mark.parametrize(("network", "sizes"), [("LeNet-300-100", {"13.5": "13.5", "40.3": "40"}),
                                                ("LeNet-5", {"12.0": "12", "119.5": "119"})])
def test_the_numbers_on_mnist_are_the_same_on_every_page(network, sizes):
    table = rows(section(STUDIES, f"{network} on MNIST"))
    error = {row[0]: row[3] for row in reversed(table) if len(row) == 4 and re.fullmatch(r"[\d.]+", row[0])}
    head, = (row for row in table if row[:2] == ["error on the test digits", "seeds"])
    controls = {row[0]: dict(zip(head[2:], row[2:])) for row in table if len(row) == len(head)}
    for ratio, name in sizes.items():
        as_long, as_small = (median(controls[line][f"{ratio} times"]) if line in controls else None
                             for line in ("as long", "as small"))
        control = f"{as_long} unpruned, as many epochs" + (f"; {as_small} dense, as few weights" if as_small else "")
        assert controls["iterative"][f"{ratio} times"] == error[ratio]
        assert row_that_begins(README, f"{network}, test error, {name} times fewer connections")[1:] == [
            median(error["1.0"]), median(error[ratio]), control]
        assert f"1/{name}" not in README or median(error[ratio]).replace(" %", "%") in README[README.index("中文说明"):]
    beside = [row[1] for row in table if len(row) == 3 and row[0].endswith(("all", "times fewer"))]  # others report
    assert len(beside) > 3 and set(beside) <= set(error.values())


def test_the_claims_have_the_verdicts_that_their_numbers_give():
    numbers = iter([row for row in rows(STUDIES) if row[0] in [f"`{name}`" for name in claims.CLAIMS]])
    found = set()
    for name, claim in claims.CLAIMS.items():
        words = []
        for share, (short, kept, numbers_of_seeds, interval, verdict) in zip(claim.shares, numbers):
            assert (short, kept) == (f"`{name}`", f"{share:.0%}")
            middle, low, high = re.fullmatch(r"(\S+) \((\S+) to (\S+)\)", numbers_of_seeds).groups()
            ends = [float(end) for end in (low, high, *(interval.split(" to ") if interval else ()))]
            assert verdict == claims.verdict([end + claim.free for end in ends])
            words.append(verdict)
            found.add((claim.where, middle, verdict))
        assert (f"- {claim.where}: {claim.text}:\n  {claims.verdicts_by_share(claim, words)}\n"
                f"  (`{name}`: {claim.number})\n") in STUDIES
    assert not list(numbers)
    for row in rows(section(STUDIES, "LeNet-5 on MNIST")):  # Fig. 6 with a convolution
        if len(row) == 2 and row[0].endswith("%"):
            values = [float(value) for value in row[1].split(", ")]
            found.add(("5, Fig. 6", f"{np.median(values):.2f}", claims.verdict(values)))
    for where, _, verdict, number in rows(section(README, "The paper's claims"))[2:]:
        words = re.findall("holds|does not hold|too close to call", verdict)
        for word, value in zip(words, re.findall(r"-?\d+\.\d+", number)):
            assert (where, value, word) in found


# ----------------------------------------------------------------------------------------------------------- the lists

def test_each_promise_names_tests_that_are_there():
    defined = {name for path in (ROOT / "tests").glob("test_*.py")
               for name in [path.name, *re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)]}
    page = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:tests/)?(test_[\w.]+)`", page))
    assert len(named) > 50 and named <= defined


def test_the_table_of_studies_has_each_with_its_time():
    for name, _, time in list_studies():
        assert row_that_begins(STUDIES, f"`python -m figure.{name}`")[-1] == time.split(";")[0]


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
