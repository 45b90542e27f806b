"""The paper's claims, put to the test on the paper's own network: LeNet-300-100 on MNIST.

Networks are trained with L1 and with L2, pruned to several sizes at once or step by step, and retrained in different
ways. Each claim is a difference of two errors, or another number that is positive where the claim is right; for each
seed there is one. A claim "holds" if the number is positive at every seed, it "does not hold" if it is negative at
every seed, and otherwise it is "too close to call". Prints a row for each claim, and draws the paper's Fig. 5:
figure/claims.png. Needs the digits (`python -m datasets.fetch_mnist`).

The settings were chosen on the last 10,000 training digits, held out (--held-out 10000). The test digits were looked
at in the end only.

Time on 2 cores: eight to ten minutes.
"""

import functools
import itertools
import os
import sys
from typing import NamedTuple

import joblib
import numpy as np

import nn_functions as nn
import prun_mask
import pruning
from datasets import files, mnist, user_input
from figure import digits, drawing, studies

SHARES = (0.5, 0.33, 0.2, 0.12, 0.08, 0.05, 0.03)  # of the connections that are kept
LAST_LAYER = 3  # times as much is kept of it, as in the paper
# Of five factors each, 1e-5 to 8e-5 and 1e-4 to 1e-3, those of the least error after retraining, on held-out digits.
PENALTIES = {"L1": {"l1": 4e-5}, "L2": {"l2": 6e-4}}
DROPOUT = 0.4  # in both hidden layers of a network of its own
BATCH = 128
LEARNING_RATE = 0.1  # falls to 0 along half a cosine in every training and retraining
EPOCHS = 15  # of training
RETRAINING_EPOCHS = 6
AT = 0.05  # the share at which single comparisons are made
FREE = 0.1  # points of error: no more than this counts as nothing
FALL = 0.5  # points of error above the unpruned network's: here the fall begins
NEW_SEED = 1000  # of new weights; is added to the network's own
BINS = 20  # of the histogram of magnitudes

LINES = {"L1, without retraining": "C1s:", "L1, with retraining": "C1s-", "L2, without retraining": "C0o:",
         "L2, with retraining": "C0o-", "L2, iterative": "C2^-"}

ALL = f"{min(SHARES):.0%} to {max(SHARES):.0%} kept"  # where a mean is taken


class Claim(NamedTuple):
    """A claim of the paper, and the number that decides it."""

    where: str  # in the paper
    text: str
    number: str  # what it is; positive where the claim is right


CLAIMS = {
    "retraining": Claim("3", "without retraining, accuracy suffers",
                        f"error without - error with (L2, mean of {ALL})"),
    "L1 first": Claim("3.1", "before retraining, L1 is better", f"error of L2 - error of L1 (mean of {ALL})"),
    "L2 after": Claim("3.1", "after retraining, L2 is better", f"error of L1 - error of L2 (mean of {ALL})"),
    "L1 then L2": Claim("5", "L1 to prune and L2 to retrain is not better than L2 for both",
                        f"error of L1 then L2 - error of L2 (mean of {ALL})"),
    "dropout": Claim("3.2", "dropout is to be reduced for retraining",
                     f"error with D_o - error with D_r ({AT:.0%} kept)"),
    "keeping": Claim("3.3", "surviving weights are better than new ones",
                     f"error of new - error of kept ({AT:.0%} kept)"),
    "iterative": Claim("3.4", "iterative pruning is better than at once",
                       f"error at once - error iterative (L2, mean of {ALL})"),
    "random": Claim("3.4", "pruning at random, with a probability by magnitude, is worse",
                    f"its error - error of pruning the smallest ({AT:.0%} kept)"),
    "neurons": Claim("3.5", "retraining with regularisation kills neurons without outputs",
                     f"share of their weights gone (%), with L2 - without ({min(SHARES):.0%} kept)"),
    "half": Claim("5", "half of the connections can go at no cost, without retraining",
                  f"{FREE} - rise of the error (L2, 50% kept)"),
    "fall": Claim("5", "without retraining the fall begins at more connections than with it",
                  f"share kept (%) where the error is {FALL} higher, without - with"),
    "sensitivity": Claim("5, Fig. 6", "the first layer is the most sensitive",
                         f"error with it alone pruned - the worst of the others ({AT:.0%} kept)"),
    "hills": Claim("5, Fig. 7", "one hill of weights around zero becomes two, further out",
                   f"commonest magnitude in layer 1, after - before (L2, {AT:.0%} kept)"),
}


class Lab:
    """What the experiments of a seed share: the data, the settings, and how errors are measured."""

    def __init__(self, folder, held_out, seed, epochs, retraining_epochs):
        self.data, self.seed = mnist.load_mnist(folder, held_out), seed
        self.epochs, self.retraining_epochs = epochs, retraining_epochs

    def settings(self, epochs, **more):
        """The arguments of `nn_functions.minibatch_descent`, but for data, parameters and masks."""
        iterations = epochs * -(-self.data.X_train.shape[1] // BATCH)
        return {"learning_rate": nn.half_cosine(LEARNING_RATE, iterations), "iterations": iterations, "batch": BATCH,
                "momentum": digits.MOMENTUM, "seed": self.seed, **more}

    def train(self, **more):
        """A trained network; more : penalties, dropout."""
        return nn.minibatch_descent(self.data.X_train, self.data.Y_train, digits.new_parameters(self.seed),
                                    **self.settings(self.epochs, **more))[0]

    def retrain(self, parameters, masks, **more):
        """The network with masks applied, retrained."""
        steps = pruning.prune_iteratively(self.data, parameters, lambda *_: masks, descent=nn.minibatch_descent,
                                          **self.settings(self.retraining_epochs, **more))
        return next(steps).parameters

    def iterate(self, parameters, shares, **more):
        """The networks after pruning to each of the shares in turn, with retraining after each."""
        def masks_of(step, parameters):
            return keep_share(parameters, shares[step - 1])

        steps = pruning.prune_iteratively(self.data, parameters, masks_of, descent=nn.minibatch_descent,
                                          **self.settings(self.retraining_epochs, **more))
        return [step.parameters for step in itertools.islice(steps, len(shares))]

    def error(self, parameters):
        """The error on the test digits, in percent."""
        return digits.measure(self.data, parameters).error


def keep_share(parameters, share, names=("W1", "W2", "W3"), strength=np.abs):
    """The masks that keep a share of each layer named, strongest first; strength : of weights, an array of their shape.
    """
    masks = {}
    for name in names:
        W = parameters[name]
        kept = min(1, LAST_LAYER * share) if name == "W3" else share
        masks[name] = prun_mask.keep_largest(np.where(W, strength(W), 0), max(1, round(kept * W.size)))
    return masks


# ---------------------------------------------------------------------------------------------------- experiments

def run(folder, held_out, epochs, retraining_epochs, seed):
    """All experiments of a seed.

    Returns a dict from the names in LINES to errors, at each of SHARES, and from those in CLAIMS to numbers; and under
    "unpruned" the errors of the networks with L1 and L2.
    """
    lab = Lab(folder, held_out, seed, epochs, retraining_epochs)
    trained = {kind: lab.train(**penalty) for kind, penalty in PENALTIES.items()}
    lines, retrained = {}, {}
    for kind, penalty in PENALTIES.items():
        masks = [keep_share(trained[kind], share) for share in SHARES]
        retrained[kind] = [lab.retrain(trained[kind], mask, **penalty) for mask in masks]
        lines[f"{kind}, without retraining"] = [lab.error(prun_mask.apply_masks(trained[kind], mask)) for mask in masks]
        lines[f"{kind}, with retraining"] = [lab.error(network) for network in retrained[kind]]
    lines["L2, iterative"] = [lab.error(network) for network in lab.iterate(trained["L2"], SHARES, **PENALTIES["L2"])]
    l1_then_l2 = [lab.error(lab.retrain(trained["L1"], keep_share(trained["L1"], share), **PENALTIES["L2"]))
                  for share in SHARES]

    lines = {name: np.array(errors) for name, errors in lines.items()}
    unpruned = {kind: lab.error(network) for kind, network in trained.items()}
    after = retrained["L2"][SHARES.index(AT)]
    numbers = {
        "retraining": np.mean(lines["L2, without retraining"] - lines["L2, with retraining"]),
        "L1 first": np.mean(lines["L2, without retraining"] - lines["L1, without retraining"]),
        "L2 after": np.mean(lines["L1, with retraining"] - lines["L2, with retraining"]),
        "L1 then L2": np.mean(l1_then_l2 - lines["L2, with retraining"]),
        "dropout": dropout_number(lab),
        "keeping": keeping_number(lab, trained["L2"], lab.error(after)),
        "iterative": np.mean(lines["L2, with retraining"] - lines["L2, iterative"]),
        "random": random_number(lab, trained["L2"], lab.error(after)),
        "neurons": neurons_number(lab, trained["L2"], retrained["L2"][-1]),
        "half": FREE - (lines["L2, without retraining"][SHARES.index(0.5)] - unpruned["L2"]),
        "fall": 100 * (fall_share(lines["L2, without retraining"], unpruned["L2"])
                       - fall_share(lines["L2, with retraining"], unpruned["L2"])),
        "sensitivity": sensitivity_number(lab, trained["L2"]),
        "hills": commonest_magnitude(after["W1"]) - commonest_magnitude(trained["L2"]["W1"])}
    return {"unpruned": unpruned, **lines, **numbers}


def dropout_number(lab):
    """Section 3.2: a network trained with dropout, and retrained with D_o and with D_r."""
    settings = {"dropout": DROPOUT, **PENALTIES["L2"]}
    trained = lab.train(**settings)
    masks = keep_share(trained, AT)
    return (lab.error(lab.retrain(trained, masks, adjust_dropout=False, **settings))
            - lab.error(lab.retrain(trained, masks, **settings)))


def keeping_number(lab, trained, kept_error):
    """Section 3.3: new weights in the same masks, trained as long."""
    masks = keep_share(trained, AT)
    return lab.error(lab.retrain(digits.new_parameters(NEW_SEED + lab.seed), masks, **PENALTIES["L2"])) - kept_error


def random_number(lab, trained, strongest_error):
    """Section 3.4: connections kept at random, with a probability in proportion to their magnitude."""
    generator = np.random.default_rng(lab.seed)

    def strength(W):  # the largest of these are a draw without replacement by weight (Efraimidis and Spirakis)
        return generator.random(W.shape) ** (1 / np.maximum(np.abs(W) / np.abs(W).max(), 1e-3))

    masks = keep_share(trained, AT, strength=strength)
    return lab.error(lab.retrain(trained, masks, **PENALTIES["L2"])) - strongest_error


def neurons_number(lab, trained, with_l2):
    """Section 3.5: units without outputs; what is left of the weights of their inputs, with L2 and without."""
    masks = keep_share(trained, SHARES[-1])
    without = lab.retrain(trained, masks)
    left = []
    for network in (with_l2, without):
        weights = [(np.abs(network[f"W{l}"][unused]).sum(), np.abs((trained[f"W{l}"] * masks[f"W{l}"])[unused]).sum())
                   for l, unused in ((l, ~masks[f"W{l + 1}"].any(axis=0)) for l in (1, 2))]
        left.append(sum(after for after, _ in weights) / sum(before for _, before in weights))
    return 100 * (left[1] - left[0])


def sensitivity_number(lab, trained):
    """Section 5, Fig. 6: each layer pruned alone, to the same share, without retraining."""
    masks = {name: prun_mask.keep_largest(W, round(AT * W.size)) for name, W in trained.items() if name[0] == "W"}
    errors = [lab.error(prun_mask.apply_masks(trained, {name: mask})) for name, mask in masks.items()]
    return errors[0] - max(errors[1:])


def fall_share(errors, unpruned):
    """The share of connections kept, from which on the error is FALL higher than the unpruned network's."""
    return next((share for share, error in zip(SHARES, errors) if error > unpruned + FALL), 0)


def commonest_magnitude(W):
    """The middle of the highest bar in the histogram of the magnitudes of the weights that are not 0."""
    magnitudes = np.abs(W[W != 0])
    counts, edges = np.histogram(magnitudes, BINS, (0, np.percentile(magnitudes, 99)))
    return edges[counts.argmax():][:2].mean()


# --------------------------------------------------------------------------------------------------------- results

def verdict(numbers):
    """What the numbers of the seeds, positive where a claim is right, say of it."""
    if np.isfinite(numbers).all() and (np.array(numbers) > 0).all():
        return "holds"
    return "does not hold" if (np.array(numbers) < 0).all() else "too close to call"


def print_results(results):
    """Print a row for each line of the figure, and one for each claim; results : for each seed what `run` returned."""
    print("| error (%), median (range) | " + " | ".join(f"{share:.0%}" for share in (1, *SHARES)) + " |")
    print("| --- |" + " ---: |" * (1 + len(SHARES)))
    for name in LINES:
        errors = [[result["unpruned"][name[:2]], *result[name]] for result in results]
        print(f"| {name} | " + " | ".join(studies.median_and_range(values, unit="") for values in zip(*errors)) + " |")
    print("\n| section | claim | number | median (range) | verdict |\n| --- | --- | --- | ---: | --- |")
    for name, claim in CLAIMS.items():
        numbers = [result[name] for result in results]
        form = "{:.3f}" if name == "hills" else "{:.2f}"
        print(f"| {claim.where} | {claim.text} | {claim.number} | {studies.median_and_range(numbers, form, '')} | "
              f"**{verdict(numbers)}** |")


def draw(results, path, show=False):
    """Draw the paper's Fig. 5: how much the accuracy falls, against the share that is pruned."""
    plt = drawing.pyplot(show)
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    pruned = 100 * (1 - np.array(SHARES))
    for name, style in LINES.items():
        losses = np.array([result["unpruned"][name[:2]] - result[name] for result in results])
        median = np.median(losses, axis=0)
        axes.plot(pruned, median, style, markersize=5, label=name)
        axes.fill_between(pruned, losses.min(axis=0), losses.max(axis=0), color=style[:2], alpha=0.15, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="connections pruned away (%)", ylabel="change of the accuracy on the test digits (points)",
             title=f"LeNet-300-100, the lines of the paper's Fig. 5: median and range of {len(results)} seeds",
             ylim=(-5, 0.6))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", frameon=False)
    drawing.save_figure(figure, path, show)


def study(folder, figures, seeds=digits.SEEDS, epochs=EPOCHS, retraining_epochs=RETRAINING_EPOCHS, held_out=0,
          cache=None, cluster=None, show=False):
    """Do all experiments with each seed, print the tables and draw the figure. Raises InputError.

    folder : of the digits; figures : the folder for the figure; held_out : see `mnist.load_mnist`
    cache : None, or the folder that keeps the result of each seed
    """
    mnist.load_mnist(folder, held_out)  # whether it is there, before the work
    run_of_seed = functools.partial(joblib.Memory(cache, verbose=0).cache(run), os.path.abspath(folder), held_out,
                                    epochs, retraining_epochs)
    results = studies.in_parallel(run_of_seed, seeds, "seeds", cluster)

    print_results(results)
    draw(results, f"{figures}/claims.png", show)


@user_input.exit_status
def main(argv=()):
    options = digits.make_parser(__doc__.splitlines()[0]).parse_args(argv)
    files.check_folder(options.figures)
    study(options.data, options.figures, range(1, options.seeds + 1), held_out=options.held_out, cache=options.cache,
          cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
