"""How far can the network be pruned? Cost and accuracy against the pruning degree up to 99.9 %, for several seeds.

And which layer breaks it: all layers are pruned, as in the recorded run; only layer 1; and only layers 2 to 4, half of
them at a step, because of so few weights 5 % soon are less than one. Draws the median of the seeds and their range:
figure/far.png. One to two minutes on 2 cores.
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
# Which layers are pruned, by how many percent a step, how many times.
CASES = {"all layers": (("W1", "W2", "W3", "W4"), pruning.PERCENT, STEPS), "layer 1 alone": (("W1",), pruning.PERCENT, STEPS),
         "layers 2 to 4 alone": (("W2", "W3", "W4"), 50, 6)}
TOLERANCE = 2  # points of training accuracy
DEGREES = (0, 51, 80, 90, 95, 99, 99.5, 99.8, 99.9)  # percent, at which the medians are printed


def run(data_file, job):
    """Prune the layers of a case from a trained network, and retrain, step by step.

    Returns for the unpruned network and after each step the degree, the cost, both accuracies, and the number of
    connections left in each layer that can be pruned, an array of shape (steps + 1, 4 + L - 1).
    """
    parameters, case = job
    names, percent, steps = CASES[case]
    data = nn.load_data(data_file)
    gram = nn.GramMatrices(data[0])

    def judged(network):
        left = (np.count_nonzero(network[name]) for name in prun_mask.pruned_layers(network))
        return prun_mask.degree(network), *pruning.judge(data, network), *left

    values = [judged(parameters)]
    for _ in range(steps):
        masks = {name: mask for name, mask in prun_mask.prune_masks(parameters, percent).items() if name in names}
        _, parameters, _ = pruning.prune_and_retrain(data, parameters, masks, gram=gram)
        values.append(judged(parameters))
    return np.array(values)


def print_runs(case, runs):
    """Print, for each seed, how a case ends, and how far it stays within the tolerance of the unpruned training accuracy."""
    print(f"\n{case} pruned       accuracy (%), training / test       connections  degree (%) with up to {TOLERANCE} points")
    print("seed      unpruned              in the end            left         lost: until      for the last time   highest cost")
    for seed, values in zip(figure.SEEDS, runs):
        degree, cost, train, test = values[:, :4].T
        good = train >= train[0] - TOLERANCE
        until = degree[np.argmin(good) - 1] if not good.all() else degree[-1]
        left = "-".join(f"{number:.0f}" for number in values[-1, 4:])
        print(f"{seed:4}  {train[0]:6.2f} / {test[0]:5.2f}  {train[-1]:6.2f} / {test[-1]:5.2f} at {degree[-1]:6.3f} %  "
              f"{left:13}  {until:7.3f}  {degree[good][-1]:15.3f}  {cost.max():17.2f}")


def print_medians(case, runs, steps):
    """Print the median of the seeds and their range after some of the steps, as a table."""
    print(f"\n{case} pruned\n| pruning degree | connections left | training accuracy, median (range) | test accuracy, median (range) |")
    print("| ---: | ---: | ---: | ---: |")
    for step in steps:
        left = "-".join(f"{number:.0f}" for number in runs[0, step, 4:])
        accuracies = (f"{np.median(accuracy):.2f} % ({accuracy.min():.2f} to {accuracy.max():.2f})"
                      for accuracy in runs[:, step, 2:4].T)
        print(f"| {runs[0, step, 0]:.3f} % | {left} | {' | '.join(accuracies)} |")


def draw(values, path, show=False):
    """Draw what the runs gave; values: a dict from case to an array of what `run` returned for each seed."""
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
    parser = figure.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--perturbation", type=nn.number_from_zero, default=0.0, metavar="SIZE",
                        help="is added to the first bias of each trained network, to see whether rounding decides")
    options = parser.parse_args(argv)
    nn.make_folder(options.figures)
    networks = figure.trained_networks(options.data)
    for network in networks.values():
        network["b1"][0] += options.perturbation
    jobs = [(network, case) for case in CASES for network in networks.values()]
    results = iter(figure.in_parallel(functools.partial(run, options.data), jobs))
    values = {case: np.array(list(itertools.islice(results, len(networks)))) for case in CASES}
    for case, runs in values.items():
        print_runs(case, runs)
    of_all, of_others = values["all layers"], values["layers 2 to 4 alone"]
    print_medians("all layers", of_all, [np.argmax(of_all[0, :, 0] >= degree) for degree in DEGREES])
    print_medians("layers 2 to 4 alone", of_others, range(of_others.shape[1]))
    draw(values, f"{options.figures}/far.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
