"""The paper's claims, put to the test on the paper's own network: LeNet-300-100 on MNIST.

Networks are trained with L1 and with L2, pruned at once or step by step, and retrained in different ways, each beside
its control. A claim is decided by a number that is positive where the claim is right; for each seed there is one. It
holds if the number is positive at every seed, and the 95 % interval of a paired bootstrap over the digits is, too. It
does not hold if all these are negative. Otherwise it is open: too close to call. Under no effect, five seeds of five
would be positive once in 32 times, and negative as often.

Leaves a row for each network, figure/claims_networks.csv, and for each claim, density and seed, figure/claims.csv, and
draws three figures: the claims, the paper's Fig. 5, and its Fig. 6 and 7. Needs the digits (`python -m
datasets.fetch_mnist`). The settings were chosen on the last 10,000 training digits, held out (--held-out). What is
asked, and the rule, were revised after a first run on the test digits.

Time on 2 cores: about forty minutes.
"""

import functools
import os
import sys
from typing import NamedTuple

import numpy as np

import nn_functions as nn
import prun_mask
import pruning
from datasets import mnist, user_input
from figure import digits, drawing, results

DENSITIES = (0.5, 0.33, 0.2, 0.12, 0.08, 0.05, 0.03)  # the fractions of layers 1 and 2 that are kept
FACTORS = {"W1": 1, "W2": 1, "W3": 3}  # times the density; the last layer is pruned less, as in the paper
# Of five factors each, 1e-5 to 8e-5 and 1e-4 to 1e-3, those of the least error after retraining, on held-out digits.
L1, L2 = {"l1": 4e-5}, {"l2": 6e-4}
DROPOUT = 0.4  # D_o, in both hidden layers of a network of its own
BATCH = 128
LEARNING_RATE = 0.1  # falls to 0 along half a cosine in every training and retraining
EPOCHS = 15  # of training
RETRAINING_EPOCHS = 6
AT = 0.05  # the density at which single comparisons are made
TWELVE_TIMES = 0.08  # the density of the paper's networks
FREE = 0.1  # points of error: no more than this counts as nothing
HELD_OUT = 10_000  # training digits, on which the settings were chosen
NEW_SEED = 1000  # of new weights; is added to the network's own
GROUPS = 100  # of digits, each of every hundredth one, which the bootstrap draws
DRAWS = 2000  # of the bootstrap
EDGES = np.linspace(-0.4, 0.4, 81)  # of the histogram of weights
VERDICTS = {"does not hold": "C3", "holds": "C0", "open": "0.55"}  # and their colours

# The lines of Fig. 5, without retraining and with it, and of Fig. 6: colour, marker, line. The histograms of Fig. 7.
WITHOUT = {"L1, not retrained": "C1s:", "L2, not retrained": "C0o:"}
WITH = {"L1, retrained": "C1s-", "L2, retrained": "C0o-", "L1, then L2": "C4D-", "L2, iterative": "C2^-",
        "L2, at once, as long": "C3v-", "L2, by standard deviations": "C5P-"}
LAYERS = {"layer 1 alone": "C0o-", "layer 2 alone": "C1s-", "layer 3 alone": "C2^-"}
HISTOGRAMS = {("unpruned", 1): "0.6", ("L2, not retrained", AT): "C1", ("L2, retrained", AT): "C0"}
COLUMNS = ("network", "density", "seed", "kept", "kept_1", "kept_2", "kept_3", "error", "error_by_group",
           "dead_kept", "other_kept", "histogram")


class Claim(NamedTuple):
    """A claim of the paper. Its number is the error of the network `worse` - that of `better` + `free`, in points."""

    where: str  # in the paper; or "ours"
    text: str
    worse: str = ""
    better: str = ""
    densities: tuple = (AT,)
    free: float = 0


NEURONS = Claim("3.5", "inputs of neurons without outputs go next (%)")  # its number is another one, see `numbers_of`
CLAIMS = (
    Claim("3", "without retraining, accuracy suffers", "L2, not retrained", "unpruned", DENSITIES),
    Claim("3.1", "before retraining, L1 is better than L2", "L2, not retrained", "L1, not retrained", DENSITIES),
    Claim("3.1", "after retraining, L2 is better than L1", "L1, retrained", "L2, retrained", DENSITIES),
    Claim("3.2", "dropout is to be reduced for retraining", "dropout D_o", "dropout D_r"),
    Claim("ours", "reduced dropout is better than none", "no dropout", "dropout D_r"),
    Claim("3.3", "surviving weights are better than new ones", "new weights", "L2, retrained"),
    Claim("ours", "surviving weights are better than their first values", "first weights", "L2, retrained"),
    Claim("3.4", "iterative pruning is better than at once", "L2, at once, as long", "L2, iterative", DENSITIES[1:]),
    Claim("3.4", "random pruning weighted by magnitude is worse", "at random, by magnitude", "L2, retrained"),
    NEURONS,
    Claim("5", f"half can go, not retrained, for at most {FREE}", "unpruned", "L2, not retrained", (0.5,), FREE),
    Claim("5", f"L1, then L2 is at most {FREE} better than L2", "L1, then L2", "L2, retrained", DENSITIES, FREE),
    Claim("5", "pruned is better than unpruned, as long", "unpruned, as long", "L2, iterative", (TWELVE_TIMES,)),
    Claim("ours", "layer 3 is hurt more than layer 1", "layer 3 alone", "layer 1 alone", DENSITIES))

keep_fraction = functools.partial(digits.keep_fraction, factors=tuple(FACTORS.values()))


def keep_by_deviations(parameters, fraction):
    """The masks of as many connections as `keep_fraction` keeps, by section 4 of the paper.

    A layer's threshold is a quality parameter, one for all layers, times the standard deviation of its weights.
    """
    number = sum(np.count_nonzero(mask) for mask in keep_fraction(parameters, fraction).values())
    deviations = {name: np.abs(parameters[name]) / parameters[name].std() for name in FACTORS}
    quality = np.sort(np.concatenate([values.ravel() for values in deviations.values()]))[-number]
    return {name: values >= quality for name, values in deviations.items()}


def steps(data, seed, parameters, masks_of, epochs, **more):
    """Prune and retrain step by step: yields the parameters; masks_of, more : see `pruning.prune_iteratively`."""
    iterations = epochs * -(-data.X_train.shape[1] // BATCH)
    for step in pruning.prune_iteratively(data, parameters, masks_of, descent=nn.minibatch_descent, seed=seed,
                                          learning_rate=nn.half_cosine(LEARNING_RATE, iterations),
                                          iterations=iterations, batch=BATCH, momentum=digits.MOMENTUM, **more):
        yield step.parameters


def networks_of(data, seed, epochs, retraining_epochs):
    """Do all experiments of a seed. Returns a dict from a network's name and density, 1 if unpruned, to parameters."""
    def retrain(parameters, masks, epochs=retraining_epochs, **more):
        return next(steps(data, seed, parameters, lambda *_: masks, epochs, **more))

    def scores(W):  # the largest of these are a draw without replacement by weight (Efraimidis and Spirakis)
        return random.random(W.shape) ** (1 / np.maximum(np.abs(W) / np.abs(W).max(), 1e-3))

    random, start = np.random.default_rng(seed), digits.new_parameters(seed)
    train = functools.partial(retrain, start, {}, first_step=0)
    unpruned, unpruned_l1, with_dropout = (train(epochs, **more) for more in (L2, L1, {**L2, "dropout": DROPOUT}))
    as_long = train(epochs + retraining_epochs * (1 + DENSITIES.index(TWELVE_TIMES)), **L2)
    networks = {("unpruned", 1): unpruned, ("unpruned, L1", 1): unpruned_l1, ("unpruned, as long", 1): as_long}
    iterative = steps(data, seed, unpruned, lambda step, before: keep_fraction(before, DENSITIES[step - 1]),
                      retraining_epochs, **L2)
    for step, density in enumerate(DENSITIES, start=1):  # Fig. 5
        masks, masks_l1 = keep_fraction(unpruned, density), keep_fraction(unpruned_l1, density)
        at = {"L1, not retrained": prun_mask.apply_masks(unpruned_l1, masks_l1),
              "L2, not retrained": prun_mask.apply_masks(unpruned, masks),
              "L1, retrained": retrain(unpruned_l1, masks_l1, **L1),
              "L2, retrained": retrain(unpruned, masks, **L2),
              "L1, then L2": retrain(unpruned_l1, masks_l1, **L2),
              "L2, iterative": next(iterative),
              "L2, at once, as long": retrain(unpruned, masks, step * retraining_epochs, **L2),
              "L2, by standard deviations": retrain(unpruned, keep_by_deviations(unpruned, density), **L2)}
        for line, name in zip(LAYERS, FACTORS):  # Fig. 6
            mask = prun_mask.keep_largest(np.abs(unpruned[name]), round(density * unpruned[name].size))
            at[line] = prun_mask.apply_masks(unpruned, {name: mask})
        networks |= {(name, density): network for name, network in at.items()}

    masks, masks_d = keep_fraction(unpruned, AT), keep_fraction(with_dropout, AT)
    at = {"no dropout": retrain(with_dropout, masks_d, **L2),
          "dropout D_o": retrain(with_dropout, masks_d, dropout=DROPOUT, adjust_dropout=False, **L2),
          "dropout D_r": retrain(with_dropout, masks_d, dropout=DROPOUT, **L2),
          "new weights": retrain(digits.new_parameters(NEW_SEED + seed), masks, epochs + retraining_epochs, **L2),
          "first weights": retrain(start, masks, epochs + retraining_epochs, **L2),
          "at random, by magnitude": retrain(unpruned, keep_fraction(unpruned, AT, scores=scores), **L2)}
    return networks | {(name, AT): network for name, network in at.items()}


def kept_inputs(masks, after):
    """Section 3.5: how many percent of the inputs of neurons without outputs the next pruning keeps, and of others."""
    has_outputs = np.concatenate([masks["W2"].any(axis=0), masks["W3"].any(axis=0)])
    before, left = (np.concatenate([mask["W1"].sum(axis=1), mask["W2"].sum(axis=1)]) for mask in (masks, after))
    return [100 * left[units].sum() / before[units].sum() for units in (~has_outputs, has_outputs)]


def run(folder, held_out, epochs, retraining_epochs, job):
    """The rows of a seed, see COLUMNS; held_out : see `mnist.load_mnist`.

    error_by_group : the error of each of GROUPS groups of digits, in percent; dead_kept, other_kept : see
    `kept_inputs`; histogram : of the weights of layer 1, between EDGES
    """
    data, rows = mnist.load_mnist(folder, held_out), []
    networks = networks_of(data, job["seed"], epochs, retraining_epochs)
    for name, parameters in networks.items():
        kept = {f"kept_{l}": np.count_nonzero(parameters[f"W{l}"]) for l in (1, 2, 3)}
        wrong = nn.predict(data.X_test, parameters).argmax(axis=0) != data.Y_test.argmax(axis=0)
        row = {"network": name[0], "density": name[1], "kept": sum(kept.values()), **kept,
               "error": round(100 * wrong.mean(), 4),
               "error_by_group": " ".join(f"{100 * wrong[i::GROUPS].mean():g}" for i in range(GROUPS))}
        if name in HISTOGRAMS:
            W1 = parameters["W1"]
            row["histogram"] = " ".join(map(str, np.histogram(W1[W1 != 0], EDGES)[0]))
        if name == ("L2, retrained", AT):
            row["dead_kept"], row["other_kept"] = kept_inputs(
                keep_fraction(networks["unpruned", 1], AT), keep_fraction(parameters, min(DENSITIES)))
        rows.append(row)
    return rows


def column(rows, network, density, name="error"):
    """The values of a column for a network at a density, an array of one a seed; by group of shape (seeds, GROUPS)."""
    values = [row[name] for row in rows if (row["network"], row["density"]) == (network, density)]
    return np.array([value.split() for value in values] if name == "error_by_group" else values, float)


def bootstrap(differences):
    """The 95 % interval of the mean of (seeds, GROUPS) when groups of digits are drawn anew, the same for all seeds."""
    draws = np.random.default_rng(1).integers(GROUPS, size=(DRAWS, GROUPS))
    return np.percentile(differences.mean(axis=0)[draws].mean(axis=1), [2.5, 97.5])


def numbers_of(claim, density, rows):
    """The number of a claim for each seed; and the ends of the interval, if it is a difference of errors."""
    if claim is NEURONS:  # how many percent of the inputs of other neurons are kept, less how many of theirs
        return column(rows, "L2, retrained", AT, "other_kept") - column(rows, "L2, retrained", AT, "dead_kept"), ()
    worse, better = (column(rows, network, 1 if network.startswith("unpruned") else density, "error_by_group")
                     for network in (claim.worse, claim.better))
    return (worse - better).mean(axis=1) + claim.free, bootstrap(worse - better) + claim.free


def verdict(numbers):
    """What numbers say of a claim: those of the seeds, and the ends of the interval."""
    signs = set(np.sign(numbers))
    return "holds" if signs == {1} else "does not hold" if signs == {-1} else "open"


def judge(rows):
    """Decide the claims: a dict from claim and density to rows of claims.csv, one a seed."""
    judged, seeds = {}, dict.fromkeys(row["seed"] for row in rows)
    for claim in CLAIMS:
        for density in claim.densities:
            numbers, ends = (np.round(values, 4).tolist() for values in numbers_of(claim, density, rows))
            low, high = ends or (None, None)
            judged[claim, density] = [{"claim": claim.text, "density": density, "seed": seed, "value": number,
                                       "low": low, "high": high, "verdict": verdict(numbers + ends)}
                                      for seed, number in zip(seeds, numbers)]
    return judged


def sum_up(judged, claim):
    """The verdict on a claim that counts, the first of VERDICTS that it has anywhere; and the densities of each."""
    at = {word: [density for density in claim.densities if judged[claim, density][0]["verdict"] == word]
          for word in VERDICTS}
    return next(word for word in VERDICTS if at[word]), at


# ----------------------------------------------------------------------------------------------- tables and figures

def print_verdicts(judged):
    """Print the verdicts, with the median at the lowest density that has the one that counts."""
    cells = []
    for claim in CLAIMS:
        first, at = sum_up(judged, claim)
        words = [f"{word} at {', '.join(f'{100 * density:g}' for density in at[word])} %"
                 for word in ("holds", "does not hold") if at[word]]
        lowest = at[first][-1]
        number = f"{np.median([row['value'] for row in judged[claim, lowest]]):.2f} at {100 * lowest:g} %"
        cells.append([claim.where, claim.text, "; ".join(words) or "open", number])
    head = ["section", "claim", "verdict (else open)", "points, median"]
    results.print_table("claims: verdicts", results.table(head, cells, left=3))


def draw_claims(judged, path, show=False):
    """Draw what decides each claim: a row for each density, with a dot for each seed and the bar of the bootstrap."""
    figure, axes = drawing.subplots(figsize=(9.5, 10), layout="constrained")
    labels, y = {}, 0
    for claim in CLAIMS:
        for density in claim.densities:
            seeds = judged[claim, density]
            color, ends = VERDICTS[seeds[0]["verdict"]], (seeds[0]["low"], seeds[0]["high"])
            axes.plot(ends, (y, y), color=color, linewidth=6, alpha=0.4, solid_capstyle="butt")
            axes.plot([row["value"] for row in seeds], [y] * len(seeds), "o", color=color, markersize=3.5)
            text = "(ours) " * (claim.where == "ours") + claim.text
            labels[y] = f"{text if density == claim.densities[0] else ''} {density:>5.0%}"
            y += 1
        y += 0.7
    counts = [sum_up(judged, claim)[0] for claim in CLAIMS if claim.where != "ours"]
    for word, color in VERDICTS.items():
        axes.plot([], [], "o-", color=color, label=word)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xscale("symlog", linthresh=0.1, linscale=0.6)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(list(labels), labels.values(), fontsize=8)
    axes.set(ylim=(y, -1), xlim=(None, 100), xlabel="in favour of the claim: points of error, or % (linear up to 0.1)")
    held, failed, undecided = map(counts.count, ("holds", "does not hold", "open"))
    figure.suptitle(f"LeNet-300-100: of the paper's {len(counts)} claims {held} hold with one fraction kept or more, "
                    f"{failed} fail, {undecided} are open\n"
                    "percent: what is kept of layers 1 and 2; dot: a seed; bar: 95 % interval over the digits")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower left")
    drawing.save_figure(figure, path, show)


def draw_lines(axes, rows, lines, change, **settings):
    """Draw the error, or the change of the accuracy, against the pruning degree: medians, and thin each seed."""
    kept = 100 * np.array(DENSITIES)
    for line, style in lines.items():
        values = np.array([column(rows, line, density) for density in DENSITIES])
        if change:
            values = column(rows, "unpruned, L1" if line.startswith("L1") else "unpruned", 1) - values
        axes.plot(kept, values, style[:2] + style[3:], linewidth=0.5, alpha=0.7)
        axes.plot(kept, np.median(values, axis=1), style, linewidth=1.8, markersize=5, label=line)
    drawing.set_degrees(axes, [round(100 - at) for at in kept], 97.3)
    axes.set(xlim=(56, 2.7), **settings)


def draw(rows, figures, show=False):
    """Draw the paper's Fig. 5, how much the accuracy changes; its Fig. 6, each layer alone; and its Fig. 7, weights."""
    seeds = f"medians of {len(column(rows, 'unpruned', 1))} seeds; thin: each seed"
    fig5, (without, with_it) = drawing.subplots(1, 2, figsize=(11, 5.5), layout="constrained")
    fig5.suptitle(f"LeNet-300-100, the lines of the paper's Fig. 5: {seeds}")
    draw_lines(without, rows, WITHOUT, True, title="without retraining", ylabel="change of the accuracy (points)",
               ylim=(-5, 0.6))
    draw_lines(with_it, rows, WITH, True, ylim=(-0.6, 0.3))
    with_it.set_title(f"with retraining: {np.ptp(without.get_ylim()) / np.ptp(with_it.get_ylim()):.1f} times enlarged")
    fig67, (alone, weights) = drawing.subplots(1, 2, figsize=(11, 5), layout="constrained")
    draw_lines(alone, rows, LAYERS, False, title=f"Fig. 6: not retrained, {seeds}", ylabel="error (%)", yscale="log")
    alone.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    for (name, density), color in HISTOGRAMS.items():
        counts = next(row["histogram"] for row in rows if (row["network"], row["density"]) == (name, density))
        weights.stairs(np.array(counts.split(), int), EDGES, label=f"{name}, {density:.0%} kept", color=color)
    weights.set(xlabel="weight", ylabel="number of weights", yscale="log", title="Fig. 7: layer 1, first seed")
    for axes in (without, with_it, alone, weights):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    drawing.save_figure(fig5, f"{figures}/claims_error.png", show)
    drawing.save_figure(fig67, f"{figures}/claims_layers.png", show)


@user_input.exit_status
def main(argv=()):
    options = digits.make_parser(__doc__.splitlines()[0], HELD_OUT).parse_args(argv)
    path, held_out = results.find_file(options, "claims_networks"), HELD_OUT * options.held_out
    if options.draw:
        rows = results.read(path, COLUMNS)
        judged = judge(rows)
    else:
        do = functools.partial(run, os.path.abspath(options.data), held_out, EPOCHS, RETRAINING_EPOCHS)
        settings = {"data": mnist.fingerprint(options.data), "densities": DENSITIES, "factors": FACTORS, **L1, **L2,
                    "dropout": DROPOUT, "batch": BATCH, "learning_rate": LEARNING_RATE, "momentum": digits.MOMENTUM,
                    "epochs": EPOCHS, "retraining_epochs": RETRAINING_EPOCHS, "held_out": held_out}
        rows = results.run(do, [{"seed": seed} for seed in range(1, options.seeds + 1)], path, settings, COLUMNS,
                           fresh=options.fresh, cluster=options.cluster, unit="seeds")
        judged = judge(rows)
        decided = sum(judged.values(), [])
        results.write(f"{options.figures}/claims.csv", decided, list(decided[0]), settings)
    print_verdicts(judged)
    draw_claims(judged, f"{options.figures}/claims.png", options.show)
    draw(rows, options.figures, options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
