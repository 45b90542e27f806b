"""The network before and after pruning, side by side: weights, degree, accuracies, verdicts on photos, and size.

With --export it writes what survived to a small file, which every script reads that takes --parameters.
"""

import argparse
import io
import os
import sys

import numpy as np

import nn_functions as nn
import nn_test
import prun_mask

DATA = "datasets/carvnocar.h5"
PARAMETERS = "datasets/parameters.npy"
PRUNED = "datasets/prun_parameter/prun_parameters39.npy"
PHOTOS = "photos_demo"
FIGURES = "figure"


def layer_table(parameters, X):
    """The paper's table of a network (Tables 3 to 5): a row for each layer, and one for the total.

    A row is the name, the number of weights, FLOP for one picture (two a weight), and in percent the activations that are
    not 0 on the pictures X, the weights that are kept, and the FLOP that are left: those of a kept weight at an activation
    that is not 0. The pixels count as never 0, as in the paper; so does the output. The total has no share of activations.
    """
    layers = nn.later_layers(parameters)
    activations = nn.new_activations(layers, X.shape[1])
    nn.forward(parameters["W1"] @ X + parameters["b1"], layers, activations)
    rows, total, total_kept, total_active = [], 0, 0, 0
    active = np.ones(len(X))  # for each of the layer's inputs, the share of pictures at which it is not 0
    for l in range(1, nn.number_of_layers(parameters) + 1):
        kept = parameters[f"W{l}"] != 0
        needed = (kept * active).sum()
        active = (activations[l - 1][:-1] != 0).mean(axis=1) if l <= len(activations) else np.ones(1)
        rows.append((f"layer {l}", kept.size, 2 * kept.size, 100 * active.mean(), 100 * kept.mean(), 100 * needed / kept.size))
        total, total_kept, total_active = total + kept.size, total_kept + kept.sum(), total_active + needed
    return [*rows, ("total", total, 2 * total, None, 100 * total_kept / total, 100 * total_active / total)]


def print_layer_table(rows):
    """Print what `layer_table` returned."""
    print("          weights    FLOP  activations  weights    FLOP")
    print("                          not 0 (%)    kept (%)  kept (%)")
    for name, weights, flop, active, kept, needed in rows:
        active = "" if active is None else f"{active:.1f}"
        print(f"{name:8} {weights:8} {flop:7} {active:>10} {kept:10.2f} {needed:9.2f}")


def print_compact(parameters, X):
    """Say what is left when the neurons that no longer reach the output are taken out, and that nothing else changes."""
    pixels, small = prun_mask.compact(parameters)
    difference = max(1e-12, np.abs(nn.predict(X[pixels], small) - nn.predict(X, parameters)).max())
    colours = np.isin(np.arange(len(X)), pixels).reshape(-1, 3)
    sizes = " -> ".join(map(str, nn.sizes_of_layers(small)))
    print(f"compact: {sizes}, the same outputs to {difference:.0e}; {len(X) - len(pixels)} of {len(X)} "
          f"inputs are never looked at,\nand {(~colours.any(axis=1)).sum()} of {len(colours)} pixels in none of their colours")


def export(path, pruned, unpruned):
    """Write the pruned network to a small file, and say how small."""
    nn.make_folder(os.path.dirname(path) or ".")
    size, of_float32 = nn.export_parameters(path, pruned), nn.export_parameters(None, unpruned)
    dense = io.BytesIO()
    np.save(dense, np.array(pruned, dtype=object), allow_pickle=True)  # as `save_parameters` does, without the costs
    of_float64 = len(dense.getbuffer())
    print(f"exported: {path}, {size} bytes: {of_float64 / size:.1f} times smaller than the dense network in float64 "
          f"({of_float64} bytes),\n{of_float32 / size:.1f} times smaller than the unpruned one in the same format, float32 "
          f"({of_float32} bytes)")


@nn.exit_status
def main(argv=None):
    parser = nn.ArgumentParser("Compare the network before and after pruning.")
    parser.add_argument("--data", default=DATA, metavar="FILE", help="the pictures, HDF5")
    parser.add_argument("--parameters", default=PARAMETERS, metavar="FILE", help="the network before pruning")
    parser.add_argument("--pruned", default=PRUNED, metavar="FILE", help="the network after pruning")
    parser.add_argument("--export", default=argparse.SUPPRESS, metavar="FILE.npz",
                        help="write what survived of the pruned network: a bit a connection, and float32 weights")
    parser.add_argument("--photos", default=PHOTOS, metavar="DIR", help="folder of photos, with a labels.csv")
    parser.add_argument("--figures", default=FIGURES, metavar="DIR", help="folder for prun_predict.png")
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    options = parser.parse_args(argv)

    for path in (options.parameters, options.pruned) if "export" in options else ():
        if os.path.exists(path) and os.path.exists(options.export) and os.path.samefile(path, options.export):
            raise nn.InputError(f"{options.export}: is one of the networks that are compared; export to another file")
    X_train, Y_train, X_test, Y_test = nn.load_data(options.data)
    networks = {"Ori parameter": nn.load_parameters(options.parameters, len(X_train)),
                "Pruned parameter": nn.load_parameters(options.pruned, len(X_train))}
    paths, photos, errors = nn_test.read_photos(nn_test.find_photos([options.photos]), nn.picture_shape(options.data))
    if not paths:
        raise nn.InputError(errors[0])
    labels = nn_test.read_labels(paths)

    lines = []
    for name, parameters in networks.items():
        judged = nn_test.verdicts(nn.predict(nn.scale_pictures(photos), parameters)[0], labels)
        lines.append(judged)
        print(f"{name}\nW1 =\n{parameters['W1']}")
        print(f"degree: {round(prun_mask.degree(parameters), 3)} %")
        print(f"train accuracy: {nn.accuracy(nn.predict(X_train, parameters), Y_train):.2f} %")
        print(f"test accuracy: {nn.accuracy(nn.predict(X_test, parameters), Y_test):.2f} %")
        print(f"photos: {nn_test.score(judged, labels)}")
        print_layer_table(layer_table(parameters, X_train))
        print()
    unpruned, pruned = networks.values()
    print_compact(pruned, X_train)
    if "export" in options:
        export(options.export, pruned, unpruned)
        exported = nn.load_parameters(options.export, len(X_train))
        pictures = [X_train, X_test, nn.scale_pictures(photos)]
        changed = sum(((nn.predict(X, exported) > 0.5) != (nn.predict(X, pruned) > 0.5)).sum() for X in pictures)
        print(f"of its verdicts on {Y_train.size + Y_test.size} pictures and {len(photos)} photos, {changed} differ from before")
    print()

    nn.make_folder(options.figures)
    nn_test.draw_photos(paths, photos, lines, "Before pruning (first line) and after it, with the probability of a car",
                        f"{options.figures}/prun_predict.png", options.show)
    for error in errors:
        print(f"{parser.prog}: {error}", file=sys.stderr)
    return 2 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
