"""How far can the network be pruned? Cost and accuracy against the pruning degree up to 99.9 %, for several seeds.

And which layer breaks it: once all layers are pruned, as in the recorded run, once only layer 1, once only the others.
Draws the median of the seeds and their range: figure/far.png. About a minute on 2 cores.
"""

import functools
import itertools
import sys

import numpy as np

import figure
import nn_functions as nn
import prun_mask
import pruning

STEPS = 168  # of 5 %; the last with anything left to prune
OTHER_STEPS = 10  # of pruning layers 2 to 4 alone, where the percentile soon finds no more
CASES = {"all layers": ("W1", "W2", "W3", "W4"), "layer 1 alone": ("W1",), "layers 2 to 4 alone": ("W2", "W3", "W4")}
TOLERANCE = 2  # points of training accuracy


def run(data_file, job):
    """Prune the layers of a case from a trained network, and retrain, step by step.

    Returns for the unpruned network and after each step the degree, the cost, and both accuracies, shape (steps + 1, 4),
    and the number of connections that each layer has left in the end.
    """
    parameters, case = job
    data = nn.load_data(data_file)
    gram = nn.GramMatrices(data[0])
    values = [(0, *pruning.judge(data, parameters))]
    for _ in range(STEPS if "W1" in CASES[case] else OTHER_STEPS):
        masks = prun_mask.prune_masks(parameters, pruning.PERCENT)
        masks = {name: mask for name, mask in masks.items() if name in CASES[case]}
        _, parameters, _ = pruning.prune_and_retrain(data, parameters, masks, gram=gram)
        values.append((prun_mask.degree(parameters), *pruning.judge(data, parameters)))
    return np.array(values), [np.count_nonzero(parameters[name]) for name in prun_mask.pruned_layers(parameters)]


def print_runs(case, runs):
    """Print, for each seed, how a case ends, and how far it stays within the tolerance of the unpruned training accuracy."""
    print(f"\n{case} pruned       accuracy (%), training / test         connections   degree (%) with up to {TOLERANCE} points")
    print("seed      unpruned              in the end            left          lost: until       for the last time")
    for seed, (values, left) in zip(figure.SEEDS, runs):
        degree, _, train, test = values.T
        good = train >= train[0] - TOLERANCE
        until = degree[np.argmin(good) - 1] if not good.all() else degree[-1]
        print(f"{seed:4}  {train[0]:6.2f} / {test[0]:5.2f}  {train[-1]:6.2f} / {test[-1]:5.2f} at {degree[-1]:6.3f} %  "
              f"{'-'.join(map(str, left)):13}  {until:7.3f}  {degree[good][-1]:15.3f}")


def draw(values, path, show=False):
    """Draw what the runs gave; values: a dict from case to an array of shape (seeds, steps + 1, 4), as `run` returns it."""
    plt = nn.pyplot(show)
    drawing, panels = plt.subplots(3, figsize=(8, 9), sharex=True, layout="constrained")
    labels = ("cost on the training pictures", "training accuracy (%)", "test accuracy (%)")
    for k, (axes, label) in enumerate(zip(panels, labels), start=1):
        for case, style in (("all layers", "-"), ("layer 1 alone", "--")):
            left = 100 - values[case][0, :, 0]  # the same for all seeds, as only the sizes of the layers decide it
            median, = axes.plot(left, np.median(values[case][:, :, k], axis=0), style, label=f"{case} pruned, median")
            if case == "all layers":
                of_all = values[case][:, :, k]
                axes.fill_between(left, of_all.min(axis=0), of_all.max(axis=0), color=median.get_color(), alpha=0.2,
                                  linewidth=0, label="and range")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    panels[0].set_yscale("log")
    panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    degrees = [0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9]
    panels[2].set(xscale="log", xlim=(100, 0.09), xlabel="pruning degree (%); the connections left, on a logarithmic scale")
    panels[2].set_xticks([100 - degree for degree in degrees], [f"{degree:g}" for degree in degrees])
    panels[2].minorticks_off()
    drawing.suptitle(f"Prune {pruning.PERCENT:g} % and retrain, {STEPS} times, {len(figure.SEEDS)} seeds")
    nn.save_figure(drawing, path, show)


@nn.exit_status
def main(argv=None):
    options = figure.parse_options(argv, __doc__.splitlines()[0])
    networks = figure.trained_networks(options.data)
    jobs = [(network, case) for case in CASES for network in networks.values()]
    results = iter(figure.in_parallel(functools.partial(run, options.data), jobs))
    values = {}
    for case in CASES:
        runs = list(itertools.islice(results, len(networks)))
        print_runs(case, runs)
        values[case] = np.array([of_run for of_run, _ in runs])
    print("\nall layers pruned, median (range) of the seeds\ndegree (%)     training accuracy (%)         test accuracy (%)")
    for wanted in (0, 50, 80, 90, 95, 99, 99.5, 99.8, 99.9):
        at = np.argmax(values["all layers"][0, :, 0] >= wanted)
        train, test = values["all layers"][:, at, 2:].T
        print(f"{values['all layers'][0, at, 0]:10.3f}" + "".join(
            f"{np.median(accuracy):10.2f} ({accuracy.min():5.2f} to {accuracy.max():6.2f})" for accuracy in (train, test)))
    draw(values, f"{options.figures}/far.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
