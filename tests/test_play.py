"""figure/play.py: the page in Chromium, where there is one, against NumPy; and what it holds of the networks."""

import base64
import functools
import json
import shutil

import numpy as np
import pytest

import nn_functions as nn
from datasets.mnist import fingerprint, load_mnist
from datasets.networks import load_exported
from figure import digits, lenet, play

from .conftest import ROOT, call
from .test_mnist import write_mnist

CHROMIUM = next(filter(None, map(shutil.which, ("google-chrome", "chromium", "chromium-browser"))), None)
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking"]
SIZES = 784, 60, 20, 10
WEIGHTS = 784 * 60 + 60 * 20 + 20 * 10
STUDY = lenet.STUDY._replace(new_parameters=lambda seed: digits.new_parameters(seed, SIZES),
                             training=digits.Stage((), 1, 0.02, 20, 1e-4),
                             retraining=(digits.Stage((0.5, 0.4), 1, 0.02, 16, 1e-4),
                                         digits.Stage(play.SIZES[2:], 1, 0.02, 20, 0)))
COMMITTED = ROOT / "figure" / "play.html"


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A folder with the page of networks that have seen a few digits of noise, those digits, and the networks."""
    folder = tmp_path_factory.mktemp("play")
    write_mnist(folder / "mnist", 60, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lenet, "STUDY", STUDY)
        for _ in range(2):  # the second time with the networks that the first one left
            made = {path: path.stat().st_mtime_ns for path in folder.glob("networks/*")}
            finished = call("figure.play", "--data", folder / "mnist", "--networks", folder / "networks",
                            "--figures", folder)
            assert finished.returncode == 0, finished
        assert made.items() <= {path: path.stat().st_mtime_ns for path in folder.glob("networks/*")}.items()
    assert finished.stderr == "" and len(finished.stdout.splitlines()) == 3 + len(play.SIZES)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, with a profile of its own."""
    if not CHROMIUM:
        pytest.skip("there is no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(tmp_path_factory.mktemp("profile"), args=ARGUMENTS,
                                                                executable_path=CHROMIUM,
                                                                viewport={"width": 1400, "height": 1000})
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """A function that opens a page. It must ask for nothing and complain about nothing."""
    page, seen = browser.new_page(), []
    page.on("request", lambda request: seen.append(request.url))
    page.on("pageerror", lambda error: seen.append(str(error)))

    def open_page(path):
        page.goto(path.as_uri())
        return page

    yield open_page
    assert seen == [page.url]
    page.close()


@functools.cache
def read(path):
    """What a page holds, and the networks of each step, a list by way of dicts W1, b1, ..."""
    page = path.read_text(encoding="utf-8")
    held = json.loads(page.split("const DATA = ")[1].split(";\n")[0])
    found = []
    for step in held["steps"]:
        pruned, random = map(decode, (step["networks"] * 2)[:2])
        unpruned = found[0][0] if found else pruned
        ways = [pruned, dict(unpruned), random, dict(unpruned)]
        for name in ("W1", "W2", "W3"):
            strongest = np.argsort(-np.abs(unpruned[name]), axis=None, kind="stable")
            ways[1][name] = np.zeros_like(unpruned[name])
            places = strongest[:np.count_nonzero(pruned[name])]
            ways[1][name].flat[places] = unpruned[name].flat[places]
            ways[3][name] = np.where(random[name] == 0, 0, unpruned[name])
        found.append(ways)
    return held, found


def decode(text):
    content, network = base64.b64decode(text), {}
    layers = np.frombuffer(content, "<u4", 12).reshape(3, 4).tolist()
    entries, rows = sum(layer[3] for layer in layers), sum(layer[0] for layer in layers)
    weights = np.frombuffer(content, "<f2", entries, 48).astype(np.float32)
    biases = np.frombuffer(content, "<f2", rows, 48 + 2 * entries).astype(np.float32)
    bits = np.unpackbits(np.frombuffer(content, "u1", -1, 48 + 2 * (entries + rows)))
    for l, (n, columns, width, number) in enumerate(layers, start=1):
        gaps, bits = bits[:number * width].reshape(number, width), bits[number * width:]
        W = np.zeros(n * columns, np.float32)
        W[np.cumsum(gaps @ 2 ** np.arange(width)[::-1] + 1) - 1], weights = weights[:number], weights[number:]
        network[f"W{l}"], network[f"b{l}"], biases = W.reshape(n, columns), biases[:n, None], biases[n:]
    return network


def error(data, network):
    return round(100 - nn.accuracy(nn.predict(data.X_test, network), data.Y_test), 2)


def test_the_page_holds_the_networks_of_the_folder_and_their_errors(small):
    held, found = read(small / "play.html")
    assert held["retrainings"] == 11
    data, study = load_mnist(small / "mnist"), STUDY._replace(data=fingerprint(small / "mnist"))
    for size, step, ways in zip(play.SIZES, held["steps"], found, strict=True):
        stage = STUDY.training._replace(fractions=() if size == 1 else (size,))
        for i, method in (0, "iterative"), (2, "random"):
            job = {"method": method, "seed": 1, "digits": "test"}
            stored = load_exported(digits.network_file(study, small / "networks", job, stage))
            assert all(np.array_equal(ways[i][name], value.astype(np.float16)) for name, value in stored.items())
        for way, network in zip(held["ways"], ways, strict=True):
            kept = [np.count_nonzero(network[name]) for name in ("W1", "W2", "W3")]
            assert kept == [np.count_nonzero(ways[0][name]) for name in ("W1", "W2", "W3")]
            assert (step["kept"][way], step["ratio"]) == (sum(kept), WEIGHTS / sum(kept))
            assert step["errors"][way] == error(data, network)
        sizes = [len(base64.b64decode(text)) for text in step["networks"]]
        assert [step["bytes"][way] for way in held["ways"][::2]] == (sizes * 2)[:2]


@pytest.mark.parametrize("is_committed", [False, True])
def test_the_page_computes_what_numpy_does(small, open_page, is_committed):
    path = COMMITTED if is_committed else small / "play.html"
    page, random = open_page(path), np.random.default_rng(0)
    pictures = (random.random((50, 784)) * (random.random((50, 784)) < 0.2)).astype(np.float32)
    page.evaluate("ready")
    computed = json.loads(page.evaluate(  # as texts, which playwright passes on faster
        "text => { const pictures = JSON.parse(text); return JSON.stringify(WAYS.map(way => STEPS.map((_, step) =>"
        " pictures.map(pixels => predict(pixels, way, step))))); }", json.dumps(pictures.tolist())))
    expected = [[nn.predict(pictures.T, network).T for network in ways] for ways in read(path)[1]]
    assert np.shape(computed) == (4, len(play.SIZES), 50, 10)
    assert np.abs(np.swapaxes(computed, 0, 1) - expected).max() < 1e-3
    assert path.stat().st_size < 3e6


def bars(page):
    return page.locator(".bar").all_inner_texts()


def test_a_stroke_moves_the_bars_and_keys_move_the_slider(small, open_page):
    page = open_page(small / "play.html")
    page.click("#clear")
    assert all("–" in bar for bar in bars(page))
    box = page.locator("#paper").bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()
    drawn, pixels = bars(page), np.reshape(page.evaluate("Array.from(state.pixels)"), (28, 28))
    assert sum(float(bar.split()[1]) for bar in drawn) == pytest.approx(100, abs=1)
    rows, columns = np.nonzero(pixels > 0.02)
    assert np.ptp(rows) + 1 in (20, 21) and np.ptp(columns) < 12
    assert np.abs(np.indices((28, 28)).reshape(2, -1) @ pixels.ravel() / pixels.sum() - 13.5).max() < 0.1
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.input_value("#slider") == "3" and bars(page) != drawn
    page.keyboard.press("ArrowLeft")
    page.locator("#ways input").nth(2).check()
    probabilities = page.evaluate("predict(state.pixels, WAYS[2], 2)")
    assert [float(bar.split()[1]) for bar in bars(page)] == pytest.approx(np.multiply(100, probabilities), abs=0.051)


def test_the_page_is_as_wide_as_the_window(small, open_page):
    page = open_page(small / "play.html")
    for width in (400, 1400):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_committed_page_tells_the_errors(mnist):
    held, found = read(COMMITTED)
    data = load_mnist(mnist)
    assert all(len(set(step["kept"].values())) == 1 for step in held["steps"])
    for at in (0, 6):
        for way, network in zip(held["ways"], found[at]):
            assert held["steps"][at]["errors"][way] == pytest.approx(error(data, network), abs=0.02)


def test_the_committed_page_is_made_of_the_template():
    page, template = COMMITTED.read_text(encoding="utf-8"), (ROOT / play.TEMPLATE).read_text(encoding="utf-8")
    before, after = template.split("/* DATA */")
    assert page.startswith(before) and page.endswith(after)
