"""The network before and after pruning, side by side: weights, degree, accuracies, predictions for photos, and size.

With --export it writes what survived to a small file, which every script reads that takes --parameters.
"""

import io
import os
import sys
from typing import NamedTuple

import numpy as np

import nn_functions as nn
import nn_main
import nn_test
import prun_mask
from datasets import networks, pictures, record, user_input

DATA = "datasets/carvnocar.h5"
PARAMETERS = "datasets/parameters.npy"
PRUNED = "datasets"  # the last network of the run that is recorded there
PHOTOS = "photos_demo"
FIGURES = "figure"


class LayerRow(NamedTuple):
    """A row of the paper's tables by layer."""

    name: str
    weights: int
    flop: int  # for one picture, two a weight
    active: float  # activations that are not 0, in percent: the mean over the layer's units, or in the total over all
    weights_kept: float  # in percent
    flop_kept: float  # in percent: those of a weight that is not 0 at an activation that is not 0


def table_rows(parameters, inputs, active, positions=None):
    """The rows of `layer_table`.

    The FLOP that are kept are finer than the paper's, which multiplies the fraction of weights kept by the previous
    layer's fraction of activations not 0: here each connection that is left counts by that of its own input.

    inputs : for each layer, the fraction of pictures for which what each column of W meets is not 0
    active : for each layer, that of its units
    positions : how often each layer's W is applied to a picture: 1, or for a convolution its patches; None: 1 for all
    """
    rows, kept_in_all, flop_kept = [], 0, 0
    for l, (not_zero, units, times) in enumerate(zip(inputs, active, positions or [1] * len(active)), start=1):
        kept = parameters[f"W{l}"] != 0
        needed = (kept * not_zero).sum()
        rows.append(LayerRow(f"layer {l}", kept.size, 2 * times * kept.size, 100 * units.mean(), 100 * kept.mean(),
                             100 * needed / kept.size))
        kept_in_all, flop_kept = kept_in_all + kept.sum(), flop_kept + 2 * times * needed
    weights, flop = sum(row.weights for row in rows), sum(row.flop for row in rows)
    return [*rows, LayerRow("total", weights, flop, 100 * np.concatenate(active).mean(), 100 * kept_in_all / weights,
                            100 * flop_kept / flop)]


def layer_table(parameters, X):
    """The paper's table of a network (Tables 2 to 5): a `LayerRow` for each layer, and one for the total.

    X : pictures of shape (n_x, m), on which activations are counted. The pixels count as never 0, as in the paper; so
    does the output.
    """
    *hidden, AL = nn.activations(X, parameters)
    # of the pixels and of each layer's units, the fraction of pictures for which they are not 0
    active = [np.ones(len(X)), *((A != 0).mean(axis=1) for A in hidden), np.ones(len(AL))]
    return table_rows(parameters, active[:-1], active[1:])


def print_layer_table(rows):
    """Print what `layer_table` returned."""
    print("          weights    FLOP  activations  weights    FLOP")
    print("                          not 0 (%)    kept (%)  kept (%)")
    for row in rows:
        print(f"{row.name:8} {row.weights:8} {row.flop:7} {row.active:10.1f} {row.weights_kept:10.2f} "
              f"{row.flop_kept:9.2f}")


def print_network(name, parameters, data, photo_score):
    """Print a network's weights, degree, accuracies, score on the photos, and table by layer."""
    print(f"{name}\nW1 =\n{parameters['W1']}")
    print(f"degree: {round(prun_mask.degree(parameters), 3)} %")
    nn_main.print_accuracies(data, parameters)
    print(f"photos: {photo_score}")
    print_layer_table(layer_table(parameters, data.X_train))
    print()


def print_compact(parameters, X):
    """Print the size of the network without the neurons that do not reach the output."""
    pixels, small = prun_mask.compact(parameters)
    difference = max(1e-12, np.abs(nn.predict(X[pixels], small) - nn.predict(X, parameters)).max())
    colours = np.isin(np.arange(len(X)), pixels).reshape(-1, 3)
    sizes = " -> ".join(map(str, nn.layer_sizes(small)))
    print(f"compact: {sizes}, the same outputs to {difference:.0e};\n"
          f"{len(X) - len(pixels)} of {len(X)} inputs are never looked at, "
          f"and {(~colours.any(axis=1)).sum()} of {len(colours)} pixels in none of their colours")


def print_export(path, pruned, unpruned):
    """Print how small the exported network is, and what storing the places of its weights takes (section 5)."""
    dense = io.BytesIO()
    np.save(dense, np.array(pruned, dtype=object), allow_pickle=True)  # as `save_parameters` does, without the costs
    size, dense_float32, dense_float64 = os.path.getsize(path), networks.exported_size(unpruned), len(dense.getbuffer())
    print(f"exported: {path}, {size} bytes:\n"
          f"{dense_float64 / size:.1f} times smaller than the dense network in float64 ({dense_float64} bytes),\n"
          f"{dense_float32 / size:.1f} times smaller than the unpruned one in the same format, float32 "
          f"({dense_float32} bytes)")
    bits, overhead = networks.index_storage(pruned)
    print(f"bits of an index, layer by layer: {', '.join(map(str, bits))}; with fillers, {overhead:.1f} % on top of "
          f"the weights\n(the paper: 15.6 %, with 5 bits in fully connected layers, 8 in convolutions)")


def changed_predictions(one, other, data, photos):
    """For how many training pictures, test pictures and photos two networks predict different classes: a list.

    Networks of the same accuracy may make other mistakes.
    """
    inputs = [data.X_train, data.X_test, pictures.as_columns(photos)]
    return [((nn.predict(X, one) > 0.5) != (nn.predict(X, other) > 0.5)).sum() for X in inputs]


def parse_options(argv):
    """The command line."""
    parser = user_input.ArgumentParser("Compare the network before and after pruning.")
    parser.add_path("--data", DATA, "FILE", "the pictures, HDF5")
    parser.add_path("--parameters", PARAMETERS, "FILE", "the network before pruning")
    parser.add_path("--pruned", PRUNED, "FILE", "the network after pruning, or the folder of a run: its last network")
    parser.add_argument("--export", type=user_input.path, metavar="FILE.npz",
                        help="write what survived of the pruned network: float32 weights, and the gaps between them")
    parser.add_path("--photos", PHOTOS, "DIR", "folder of photos, with a labels.csv")
    parser.add_folders(FIGURES, FIGURES)
    options = parser.parse_args(argv)
    if options.export and not options.export.lower().endswith(".npz"):  # no data set, photo or table is called so
        parser.error(f"--export {options.export}: name a file FILE.npz")
    return options


@user_input.exit_status
def main(argv=()):
    options = parse_options(argv)
    unpruned, pruned, pruned_file = record.load_pair(options.parameters, options.pruned, options.data)
    if options.export:
        user_input.check_file(options.export)
        if os.path.realpath(options.export) in map(os.path.realpath, (options.parameters, pruned_file)):
            raise user_input.InputError(f"{options.export}: is a file that this command reads; export to another one")
    print(f"before pruning: {options.parameters}\nafter it: {pruned_file}")
    if note := networks.other_data(options.parameters, options.data):
        print(note)
    data = pictures.load_data(options.data, scale=False)
    paths, photos, labels, notes, errors = nn_test.read_labelled([options.photos],
                                                                 pictures.picture_shape(options.data))
    if not paths:
        raise user_input.InputError(errors[0])
    for note in notes:
        print(note)
    nn_main.print_if_nothing_learned(options.parameters, data, unpruned)

    predictions = [nn_test.classify(pictures.as_columns(photos), labels, network) for network in (unpruned, pruned)]
    print_network("Unpruned network", unpruned, data, nn_test.score(predictions[0], labels))
    print_network("Pruned network", pruned, data, nn_test.score(predictions[1], labels))
    train, test, photo = changed_predictions(unpruned, pruned, data, photos)
    print(f"predictions changed by pruning: {train} of {data.Y_train.size} training pictures, {test} of "
          f"{data.Y_test.size} test pictures, {photo} of {len(photos)} photos")
    print_compact(pruned, data.X_train)
    if options.export:
        networks.export_parameters(options.export, pruned)
        print_export(options.export, pruned, unpruned)
        exported = networks.load_parameters(options.export, len(data.X_train))
        print(f"of its predictions for {data.Y_train.size + data.Y_test.size} pictures and {len(photos)} photos, "
              f"{sum(changed_predictions(exported, pruned, data, photos)) or 'none'} changed")
    print()

    title = "Before pruning (first line) and after it, with the probability of a car; red frame: at least one is wrong"
    nn_test.draw_photos(paths, photos, predictions, title, f"{options.figures}/prun_predict.png", options.show)
    for error in errors:
        print(f"{user_input.program()}: {error}", file=sys.stderr)
    return 2 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
