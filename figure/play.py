"""A page to play with, figure/play.html: draw a digit, prune the network that reads it, see what it reads then.

LeNet-300-100 of `figure.lenet`, seed 1, at eleven of its sizes, in four ways: `WAYS`. The page is the template,
figure/play_template.html, with the networks in it, stored as the paper does (section 5), with weights in float16; the
errors are of these weights. The networks, and those of the control "random", are those of a folder, see `python -m
figure.lenet --networks`; those that are not there are trained, as `figure.lenet` does it. Needs the digits (`python -m
datasets.fetch_mnist`).

Time on 2 cores: some seconds with the networks of figure.lenet, else half an hour.
"""

import base64
import functools
import json
import os
import sys

import numpy as np
from tqdm import tqdm

import nn_functions as nn
import nn_main
import prun_mask
from datasets import files, mnist, networks, user_input
from figure import digits, lenet

TEMPLATE = "figure/play_template.html"
WAYS = "pruned, retrained", "pruned, not retrained", "random, retrained", "random, not retrained"
SIZES = (1, 0.5, 0.25, 0.12, 0.0614, 0.0377, 0.0232, 0.0142, 0.0084, 0.0057, 0.0031)  # steps' fractions; 1: unpruned


def find_networks(study, options, method, counts=None):
    """The networks of a method, a dict from their size, in float16's precision; and the rows of `digits.run`.

    Trains, and writes to the folder, those that it does not have. options : with data, networks; counts : see there
    """
    job, m = {"method": method, "seed": 1, "digits": "test"}, mnist.load_mnist(options.data).X_train.shape[1]
    stages = digits.steps_of(study, method, None)
    paths = {stage.size: digits.network_file(study, options.networks, job, stage) for stage in stages}
    missing = sum(stage.epochs * -(-m // stage.batch) for path, stage in zip(paths.values(), stages)
                  if not os.path.exists(path))
    with (tqdm(total=missing, desc=method, unit=" iterations", disable=None if missing else True) as bar,
          nn_main.limit_blas(1)):
        descent = functools.partial(study.descent, progress=lambda number, _: bar.update(number))
        rows = digits.run(study._replace(descent=descent), options.data, options.networks, counts or {}, job)
    return {size: half(networks.load_exported(path)) for size, path in paths.items()}, [{**job, **row} for row in rows]


def half(parameters):
    """Parameters rounded to float16, as float32; but what is not 0 does not become 0, so no connection goes."""
    smallest = np.float32(2**-24)
    return {name: np.where((value != 0) & (np.abs(value) < smallest), np.copysign(smallest, value),
                           value.astype(np.float16).astype(np.float32)) for name, value in parameters.items()}


def four_ways(unpruned, pruned, random):
    """A dict from each of `WAYS` to the parameters: all keep as many connections of each layer.

    unpruned, pruned, random : parameters; the latter two are retrained
    """
    largest = {name: prun_mask.keep_largest(np.abs(unpruned[name]), np.count_nonzero(W))
               for name, W in pruned.items() if name[0] == "W"}
    chance = {name: random[name] != 0 for name in largest}
    return dict(zip(WAYS, (pruned, prun_mask.apply_masks(unpruned, largest),
                           random, prun_mask.apply_masks(unpruned, chance))))


def encode(parameters):
    """What the page holds of a network, bytes: the arrays of `networks.export_parameters`, the gaps last.

    layers : uint32; weights, biases : float16
    """
    arrays = networks.exported_arrays(parameters)
    kinds = {"layers": "<u4", "weights": "<f2", "biases": "<f2", "gaps": "u1"}
    return b"".join(arrays[name].astype(kind).tobytes() for name, kind in kinds.items())


def make_step(data, unpruned, pruned, random):
    """What the page holds of a size, a dict; for the arguments see `four_ways`."""
    ways = four_ways(unpruned, pruned, random)
    kept = {way: sum(int(np.count_nonzero(network[f"W{l}"])) for l in (1, 2, 3)) for way, network in ways.items()}
    encoded = {way: encode(network) for way, network in ways.items()}
    return {"ratio": sum(unpruned[f"W{l}"].size for l in (1, 2, 3)) / kept[WAYS[0]], "kept": kept,
            "errors": {way: round(100 - nn.accuracy(nn.predict(data.X_test, network), data.Y_test), 2)
                       for way, network in ways.items()},
            "bytes": {way: len(content) for way, content in encoded.items()},
            "networks": [base64.b64encode(encoded[way]).decode() for way in WAYS[:1 if pruned is random else 3:2]]}


@user_input.exit_status
def main(argv=()):
    parser = user_input.ArgumentParser(__doc__.splitlines()[0])
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    parser.add_path("--networks", "out/networks", "DIR", "the networks of `python -m figure.lenet --networks DIR`")
    parser.add_path("--figures", "figure", "DIR", "folder for the page")
    options = parser.parse_args(argv)
    data = mnist.load_mnist(options.data)
    study = lenet.STUDY._replace(data=mnist.fingerprint(options.data))
    user_input.check_folder(options.networks)
    pruned, rows = find_networks(study, options, "iterative")
    random, _ = find_networks(study, options, "random", digits.counts_of(study, rows, "test"))
    random[1] = pruned[1]  # the unpruned network is one
    steps = [make_step(data, pruned[1], pruned[size], random[size]) for size in SIZES]

    print(f"error (%): {'; '.join(WAYS)}\nratio    kept   bytes")
    for step in steps:
        print(f"{step['ratio']:5.1f} {step['kept'][WAYS[0]]:7d} {step['bytes'][WAYS[0]]:7d}",
              *(f"{error:7.2f}" for error in step["errors"].values()))
    with open(user_input.default_path(TEMPLATE), encoding="utf-8") as file:
        template = file.read()
    held = {"ways": WAYS, "retrainings": len(rows) - 1, "steps": steps}
    page, path = template.replace("/* DATA */", json.dumps(held)).encode(), f"{options.figures}/play.html"
    files.write_atomically(path, lambda file: file.write(page))
    print(f"page: {path}, {len(page)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
