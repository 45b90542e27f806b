"""The paper's claims, put to the test on the paper's own network: LeNet-300-100 on MNIST.

Networks are trained with L1 and with L2, pruned to several sizes at once or step by step, and retrained in different
ways; each beside its control. Each claim is a difference of two errors, or another number that is positive where the
claim is right; for each seed there is one. A claim "holds" if the number is positive at every seed, it "does not hold"
if it is negative at every seed, and otherwise it is "too close to call". Under no effect, five seeds of five would be
positive once in 32 times, and negative as often. A difference of errors below SMALL must also be on one side of 0 in a
paired bootstrap over the digits. Prints the errors, each claim with its verdict, and the numbers; draws the paper's
Fig. 5, figure/claims.png, and its Fig. 6 and 7, figure/claims_layers.png. Needs the digits (`python -m
datasets.fetch_mnist`).

The settings were chosen on the last 10,000 training digits, held out (--held-out 10000). What is asked, and the rule,
were revised after a first run on the test digits.

Time on 2 cores: about half an hour.
"""

import functools
import itertools
import os
import sys
import textwrap
from typing import NamedTuple

import joblib
import numpy as np

import nn_functions as nn
import prun_mask
import pruning
from datasets import files, mnist, user_input
from figure import digits, drawing, studies
from figure.results import median_and_range

SHARES = (0.5, 0.33, 0.2, 0.12, 0.08, 0.05, 0.03)  # of the connections that are kept
LAST_LAYER = 3  # times as much is kept of it, as in the paper
# Of five factors each, 1e-5 to 8e-5 and 1e-4 to 1e-3, those of the least error after retraining, on held-out digits.
PENALTIES = {"L1": {"l1": 4e-5}, "L2": {"l2": 6e-4}}
DROPOUT = 0.4  # D_o, in both hidden layers of a network of its own
DROPOUT_RATES = (0, 0.04, 0.15, 0.25)  # tried in retraining, beside D_o and D_r
BATCH = 128
LEARNING_RATE = 0.1  # falls to 0 along half a cosine in every training and retraining
EPOCHS = 15  # of training
RETRAINING_EPOCHS = 6
AT = 0.05  # the share at which single comparisons are made
TWELVE_TIMES = 0.08  # the share that the paper's networks keep
FREE = 0.1  # points of error: no more than this counts as nothing
FALL = 0.5  # points of error above the unpruned network's: here the fall begins
SMALL = 0.2  # points of error: the bootstrap is for differences below it
DRAWS = 2000  # of the bootstrap
NEW_SEED = 1000  # of new weights; is added to the network's own
EDGES = np.linspace(-0.4, 0.4, 81)  # of the histogram of weights

# The lines of Fig. 5, an error at each of SHARES: without retraining, and with it.
WITHOUT = {"L1, without retraining": "C1s:", "L2, without retraining": "C0o:"}
WITH = {"L1, with retraining": "C1s-", "L2, with retraining": "C0o-", "L1, then retraining with L2": "C4D-",
        "L2, iterative": "C2^-", "L2, at once, retrained as long as iterative": "C3v-",
        "L2, thresholds by standard deviations": "C5P-"}
LAYERS = {"W1": "C0o-", "W2": "C1s-", "W3": "C2^-"}  # the lines of Fig. 6


class Claim(NamedTuple):
    """A claim of the paper, and the number that decides it, above -free where the claim is right.

    The number is the error of the network `worse` - that of the network `better`, at each of the shares; or, where
    these are "", what `run` returns under the claim's name.
    """

    where: str  # in the paper
    text: str
    number: str  # what it is, in words
    worse: str = ""
    better: str = ""
    shares: tuple = (AT,)
    free: float = 0


CLAIMS = {
    "retraining": Claim("3", "without retraining, accuracy suffers", "error pruned, not retrained - unpruned (L2)",
                        "L2, without retraining", "unpruned", SHARES),
    "L1 first": Claim("3.1", "before retraining, L1 is better", "error of L2 - of L1, without retraining",
                      "L2, without retraining", "L1, without retraining", SHARES),
    "L2 after": Claim("3.1", "after retraining, L2 is better", "error of L1 - of L2, with retraining",
                      "L1, with retraining", "L2, with retraining", SHARES),
    "L1 then L2": Claim("5", f"L1 to prune, L2 to retrain is not better (by {FREE}) than L2 for both",
                        f"error of L1 then L2 - of L2, above -{FREE}", "L1, then retraining with L2",
                        "L2, with retraining", SHARES, FREE),
    "less dropout": Claim("3.2", "dropout is to be reduced for retraining", "error with D_o - with D_r",
                          "dropout D_o", "dropout D_r"),
    "dropout at all": Claim("3.2", "some dropout, D_r, is better in retraining than none", "error with 0 - with D_r",
                            "dropout 0", "dropout D_r"),
    "new": Claim("3.3", "surviving weights are better than new ones", "error of new, trained as long - of surviving",
                 "new weights", "L2, with retraining"),
    "rewound": Claim("3.3", "surviving weights are better than the network's own first ones",
                     "error of rewound, trained as long - of surviving", "first weights", "L2, with retraining"),
    "iterative": Claim("3.4", "iterative pruning is better than at once",
                       "error at once, retrained as long - iterative",
                       "L2, at once, retrained as long as iterative", "L2, iterative", SHARES[1:]),
    "random": Claim("3.4", "pruning at random, with a probability by magnitude, is worse",
                    "error of random - of the smallest", "at random, by magnitude", "L2, with retraining"),
    "neurons": Claim("3.5", "the next pruning takes the inputs of neurons without outputs",
                     f"kept from {AT:.0%} to {min(SHARES):.0%} of other neurons' inputs - of theirs (%)"),
    "regularisation": Claim("3.5", "it is regularisation that does so",
                            "kept of their inputs without L2 - with L2 (%)"),
    "half": Claim("5", f"half of the connections can go at no cost (of {FREE}), without retraining",
                  f"error unpruned - pruned, not retrained (L2), above -{FREE}", "unpruned", "L2, without retraining",
                  (0.5,), FREE),
    "fall": Claim("5", "without retraining the fall begins at more connections than with it",
                  f"share kept (%) where the error is {FALL} higher, without - with"),
    "slightly better": Claim("5", "the pruned network is slightly better than the unpruned one, trained as long",
                             "error unpruned, trained as long - iterative", "unpruned, trained as long",
                             "L2, iterative", (TWELVE_TIMES,)),
    "last, first": Claim("5, Fig. 6", "(ours) the last layer is hurt more than the first by the same share",
                         "error with layer 3 alone pruned - layer 1 alone", "W3", "W1", SHARES),
    "last, second": Claim("5, Fig. 6", "(ours) the last layer is hurt more than the second by the same share",
                          "error with layer 3 alone pruned - layer 2 alone", "W3", "W2", SHARES),
    "hills": Claim("5, Fig. 7", "retraining moves the surviving weights further out",
                   "standard deviation in layer 1, after - before"),
    "tails": Claim("5, Fig. 7", "and the largest of them, too", "99th percentile of the magnitudes, after - before"),
}


class Lab:
    """What the experiments of a seed share: the data, the settings, and how networks are judged."""

    def __init__(self, folder, held_out, seed, epochs, retraining_epochs):
        self.data, self.seed = mnist.load_mnist(folder, held_out), seed
        self.epochs, self.retraining_epochs = epochs, retraining_epochs

    def settings(self, epochs, **more):
        """The arguments of `nn_functions.minibatch_descent`, but for data, parameters and masks."""
        iterations = epochs * -(-self.data.X_train.shape[1] // BATCH)
        return {"learning_rate": nn.half_cosine(LEARNING_RATE, iterations), "iterations": iterations, "batch": BATCH,
                "momentum": digits.MOMENTUM, "seed": self.seed, **more}

    def train(self, epochs=None, **more):
        """A trained network; epochs : other than the usual number; more : penalties, dropout."""
        return nn.minibatch_descent(self.data.X_train, self.data.Y_train, digits.new_parameters(self.seed),
                                    **self.settings(epochs or self.epochs, **more))[0]

    def retrain(self, parameters, masks, epochs=None, **more):
        """The network with masks applied, retrained."""
        steps = pruning.prune_iteratively(self.data, parameters, lambda *_: masks, descent=nn.minibatch_descent,
                                          **self.settings(epochs or self.retraining_epochs, **more))
        return next(steps).parameters

    def iterate(self, parameters, **more):
        """The networks after pruning to each of SHARES in turn, with retraining after each."""
        steps = pruning.prune_iteratively(self.data, parameters,
                                          lambda step, before: keep_share(before, SHARES[step - 1]),
                                          descent=nn.minibatch_descent, **self.settings(self.retraining_epochs, **more))
        return [step.parameters for step in itertools.islice(steps, len(SHARES))]

    def wrong(self, parameters):
        """Which test digits are judged wrongly, bool of shape (m,)."""
        return nn.predict(self.data.X_test, parameters).argmax(axis=0) != self.data.Y_test.argmax(axis=0)


def keep_share(parameters, share, strength=np.abs):
    """The masks that keep a share of each layer, strongest first; strength : of weights, an array of their shape."""
    masks = {}
    for name in ("W1", "W2", "W3"):
        W = parameters[name]
        kept = min(1, LAST_LAYER * share) if name == "W3" else share
        masks[name] = prun_mask.keep_largest(np.where(W, strength(W), 0), max(1, round(kept * W.size)))
    return masks


def keep_by_deviations(parameters, share):
    """The masks of as many connections as `keep_share` keeps, by section 4 of the paper.

    A layer's threshold is a quality parameter, one for all layers, times the standard deviation of its weights.
    """
    number = sum(np.count_nonzero(mask) for mask in keep_share(parameters, share).values())
    deviations = {name: np.abs(parameters[name]) / parameters[name].std() for name in ("W1", "W2", "W3")}
    quality = np.partition(np.concatenate([values.ravel() for values in deviations.values()]), -number)[-number]
    return {name: values >= quality for name, values in deviations.items()}


# ---------------------------------------------------------------------------------------------------- experiments

def run(folder, held_out, epochs, retraining_epochs, seed):
    """All experiments of a seed.

    Returns three dicts: from a network's name and the share kept to which digits it judges wrongly, bool of shape (m,);
    from a name in CLAIMS to a list of numbers; and the histograms of the weights of layer 1.
    """
    lab = Lab(folder, held_out, seed, epochs, retraining_epochs)
    trained = {kind: lab.train(**penalty) for kind, penalty in PENALTIES.items()}
    networks = {("unpruned", 1): trained["L2"], ("unpruned, L1", 1): trained["L1"],
                **lines(lab, trained), **dropouts(lab), **starts(lab, trained["L2"]), **layers(trained["L2"])}
    wrong = {name: lab.wrong(network) for name, network in networks.items()}
    masks = keep_share(trained["L2"], AT)
    retrained = networks["L2, with retraining", AT]
    numbers = {**neurons(masks, retrained, lab.retrain(trained["L2"], masks)),
               **falls(wrong),
               **spreads(trained["L2"]["W1"][masks["W1"]], retrained["W1"][masks["W1"]])}
    histograms = {name: np.histogram(W, EDGES)[0] for name, W in (
        ("unpruned", trained["L2"]["W1"]), (f"{AT:.0%} kept, before retraining", trained["L2"]["W1"][masks["W1"]]),
        (f"{AT:.0%} kept, after retraining", retrained["W1"][masks["W1"]]))}
    return wrong, numbers, histograms


def lines(lab, trained):
    """The networks of Fig. 5 (sections 3, 3.1, 3.4, 4 and 5)."""
    networks = {}
    for share in SHARES:
        for kind, penalty in PENALTIES.items():
            masks = keep_share(trained[kind], share)
            networks[f"{kind}, without retraining", share] = prun_mask.apply_masks(trained[kind], masks)
            networks[f"{kind}, with retraining", share] = lab.retrain(trained[kind], masks, **penalty)
        networks["L1, then retraining with L2", share] = lab.retrain(
            trained["L1"], keep_share(trained["L1"], share), **PENALTIES["L2"])
        networks["L2, thresholds by standard deviations", share] = lab.retrain(
            trained["L2"], keep_by_deviations(trained["L2"], share), **PENALTIES["L2"])
    iterative = lab.iterate(trained["L2"], **PENALTIES["L2"])
    for step, (share, network) in enumerate(zip(SHARES, iterative), start=1):
        networks["L2, iterative", share] = network
        networks["L2, at once, retrained as long as iterative", share] = lab.retrain(
            trained["L2"], keep_share(trained["L2"], share), step * lab.retraining_epochs, **PENALTIES["L2"])
    networks["unpruned, trained as long", 1] = lab.train(
        lab.epochs + (1 + SHARES.index(TWELVE_TIMES)) * lab.retraining_epochs, **PENALTIES["L2"])
    return networks


def dropouts(lab):
    """Section 3.2: a network trained with dropout, and retrained with several rates."""
    trained = lab.train(dropout=DROPOUT, **PENALTIES["L2"])
    masks = keep_share(trained, AT)
    networks = {(f"dropout {rate:g}", AT): lab.retrain(trained, masks, dropout=rate, adjust_dropout=False,
                                                       **PENALTIES["L2"]) for rate in DROPOUT_RATES}
    for name, adjusted in (("D_o", False), ("D_r", True)):
        networks[f"dropout {name}", AT] = lab.retrain(trained, masks, dropout=DROPOUT, adjust_dropout=adjusted,
                                                      **PENALTIES["L2"])
    return networks


def starts(lab, trained):
    """Section 3.3: other weights in the same masks, trained for as long as the surviving ones. And 3.4, other masks."""
    masks, both = keep_share(trained, AT), lab.epochs + lab.retraining_epochs
    generator = np.random.default_rng(lab.seed)

    def strength(W):  # the largest of these are a draw without replacement by weight (Efraimidis and Spirakis)
        return generator.random(W.shape) ** (1 / np.maximum(np.abs(W) / np.abs(W).max(), 1e-3))

    return {("new weights", AT): lab.retrain(digits.new_parameters(NEW_SEED + lab.seed), masks, both,
                                             **PENALTIES["L2"]),
            ("first weights", AT): lab.retrain(digits.new_parameters(lab.seed), masks, both, **PENALTIES["L2"]),
            ("at random, by magnitude", AT): lab.retrain(trained, keep_share(trained, AT, strength),
                                                         **PENALTIES["L2"])}


def layers(trained):
    """Section 5, Fig. 6: each layer pruned alone, to the same share, without retraining."""
    return {(name, share): prun_mask.apply_masks(
        trained, {name: prun_mask.keep_largest(trained[name], round(share * trained[name].size))})
        for name in LAYERS for share in SHARES}


def neurons(masks, with_l2, without_l2):
    """Section 3.5: the inputs of neurons without outputs; how many of them does the next pruning keep, in percent?

    masks : of the pruning before; with_l2, without_l2 : the network after retraining, with L2 and without
    """
    unused = {l: ~masks[f"W{l + 1}"].any(axis=0) for l in (1, 2)}

    def kept(network, units):
        after = keep_share(network, min(SHARES))
        before = sum(masks[f"W{l}"][units[l]].sum() for l in units)
        return 100 * sum(after[f"W{l}"][units[l]].sum() for l in units) / before if before else np.nan

    others = kept(with_l2, {l: ~these for l, these in unused.items()})
    return {"neurons": [others - kept(with_l2, unused)],
            "regularisation": [kept(without_l2, unused) - kept(with_l2, unused)]}


def falls(wrong):
    """Section 5: where the error becomes FALL higher than the unpruned network's, in percent of the connections kept.
    """
    limit = 100 * wrong["unpruned", 1].mean() + FALL
    without, with_it = (next((100 * share for share in SHARES if 100 * wrong[line, share].mean() > limit), 0)
                        for line in ("L2, without retraining", "L2, with retraining"))
    return {"fall": [without - with_it], "fall without": [without], "fall with": [with_it]}


def spreads(before, after):
    """Section 5, Fig. 7: the surviving weights of layer 1, before and after retraining."""
    return {"hills": [after.std() - before.std()],
            "tails": [np.percentile(np.abs(after), 99) - np.percentile(np.abs(before), 99)]}


# --------------------------------------------------------------------------------------------------------- results

def wrong_of(results, line, share):
    """Which digits the networks of the seeds judge wrongly, bool of shape (seeds, m); share : 1 of unpruned ones."""
    return np.array([wrong[line, 1 if line.startswith("unpruned") else share] for wrong, _, _ in results])


def errors(results, line, share):
    """The errors of the networks of the seeds, in percent, of shape (seeds,)."""
    return 100 * wrong_of(results, line, share).mean(axis=1)


def bootstrap(differences):
    """The 95 % interval of the mean when the digits are drawn anew; differences : of shape (seeds, m), paired."""
    of_digits, generator = differences.mean(axis=0), np.random.default_rng(1)
    means = [of_digits[generator.integers(len(of_digits), size=len(of_digits))].mean() for _ in range(DRAWS)]
    return np.percentile(means, [2.5, 97.5])


def verdict(numbers):
    """What numbers, positive where a claim is right, say of it: those of the seeds, and the ends of an interval."""
    if np.isfinite(numbers).all() and (np.array(numbers) > 0).all():
        return "holds"
    return "does not hold" if (np.array(numbers) < 0).all() else "too close to call"


def judge(name, results):
    """For each share of a claim: the numbers of the seeds, the interval or None, and the verdict."""
    claim, judged = CLAIMS[name], []
    for i, share in enumerate(claim.shares):
        interval = None
        if claim.worse:
            differences = 100.0 * wrong_of(results, claim.worse, share) - 100.0 * wrong_of(results, claim.better, share)
            numbers = differences.mean(axis=1)
            if abs(np.median(numbers)) < SMALL:
                interval = bootstrap(differences)
        else:
            numbers = np.array([found[name][i] for _, found, _ in results])
        ends = [*numbers, *(() if interval is None else interval)]
        judged.append((numbers, interval, verdict(np.array(ends) + claim.free)))
    return judged


def verdicts_by_share(claim, verdicts):
    """One verdict in bold; or if they differ, each of them with its shares."""
    if len(set(verdicts)) == 1:
        return f"**{verdicts[0]}**"
    return "; ".join(f"**{words}** at {', '.join(f'{s:.0%}' for s, v in zip(claim.shares, verdicts) if v == words)}"
                     for words in dict.fromkeys(verdicts))


def print_errors(results):
    """Print a row for each line of the figures, and one for each network that is compared at one share only."""
    print("| error (%), medians; kept: | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |")
    print("| --- |" + " ---: |" * len(SHARES))
    for line in (*WITHOUT, *WITH, *LAYERS):
        name = f"only {line} pruned, without retraining" if line in LAYERS else line
        medians = [np.median(errors(results, line, share)) for share in SHARES]
        print(f"| {name} | " + " | ".join(f"{median:.2f}" for median in medians) + " |")
    print("\n| network | kept | error (%), median (range) |\n| --- | ---: | ---: |")
    for line, share in results[0][0]:
        if line not in (*WITHOUT, *WITH, *LAYERS):
            print(f"| {line} | {share:.0%} | {median_and_range(errors(results, line, share), unit='')} |")


def print_claims(results):
    """Print the verdicts, and then the numbers that they rest on; results : for each seed what `run` returned."""
    judged = {name: judge(name, results) for name in CLAIMS}
    print()
    for name, claim in CLAIMS.items():
        print(f"- {claim.where}: {claim.text}:\n  {verdicts_by_share(claim, [words for _, _, words in judged[name]])}\n"
              f"  (`{name}`: {claim.number})")
    print("\n| number | kept | median (range) | bootstrap | verdict |\n| --- | ---: | ---: | ---: | --- |")
    for name, claim in CLAIMS.items():
        for share, (numbers, interval, words) in zip(claim.shares, judged[name]):
            between = "" if interval is None else "{:.3f} to {:.3f}".format(*interval)
            print(f"| `{name}` | {share:.0%} | {median_and_range(numbers, form(name), '')} | {between} | "
                  f"{words} |")
    without, with_it = (np.median([numbers[f"fall {which}"] for _, numbers, _ in results])
                        for which in ("without", "with"))
    seeds, asked = len(results), sum(len(claim.shares) for claim in CLAIMS.values() if not claim.free)
    print("\n" + textwrap.fill(
        f"The error is {FALL} points higher at {without:.0f} % of the connections without retraining, and at "
        f"{with_it:.0f} % with it (0: nowhere); the paper's accuracy begins to fall at a third and at a tenth. "
        f"Under no effect, all {seeds} seeds are positive once in {2 ** seeds} times, and negative as often; {asked} "
        f"numbers are asked so, without those that have {FREE} to spare.", 100))


def form(name):
    """How the numbers of a claim are written; name : its key in CLAIMS."""
    return "{:.3f}" if name in ("hills", "tails") else "{:.2f}"


def draw(results, path, show=False):
    """Draw the paper's Fig. 5: how much the accuracy changes, against the share that is pruned."""
    figure, panels = drawing.subplots(1, 2, figsize=(11, 5.5), layout="constrained")
    for axes, lines, title, limits in ((panels[0], WITHOUT, "without retraining", (-5, 0.6)),
                                       (panels[1], WITH, "with retraining: ten times enlarged", (-0.6, 0.3))):
        for line, style in lines.items():
            before = errors(results, "unpruned, L1" if line.startswith("L1") else "unpruned", 1)
            draw_line(axes, [before - errors(results, line, share) for share in SHARES], style, line)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(xlabel="connections pruned away (%)", ylabel="change of the accuracy on the test digits (points)",
                 title=title, ylim=limits)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left", frameon=False, fontsize=8)
    figure.suptitle(f"LeNet-300-100, the lines of the paper's Fig. 5: median and range of {len(results)} seeds")
    drawing.save_figure(figure, path, show)


def draw_line(axes, values, style, label):
    """Draw the median and the range of the seeds against the share pruned; values : of shape (shares, seeds)."""
    pruned = 100 * (1 - np.array(SHARES))
    axes.plot(pruned, np.median(values, axis=1), style, markersize=5, label=label)
    axes.fill_between(pruned, np.min(values, axis=1), np.max(values, axis=1), color=style[:2], alpha=0.15, linewidth=0)


def draw_layers(results, path, show=False):
    """Draw the paper's Fig. 6, each layer pruned alone, and its Fig. 7, the weights of layer 1 of the first seed."""
    figure, (left, right) = drawing.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for (name, style), label in zip(LAYERS.items(), ("layer 1", "layer 2", "layer 3 (the last)")):
        draw_line(left, [errors(results, name, share) for share in SHARES], style, f"{label} alone")
    left.set(xlabel="connections of the layer pruned away (%)", ylabel="error on the test digits (%)", yscale="log",
             title=f"Fig. 6: without retraining, {len(results)} seeds")
    left.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    for (name, counts), color in zip(results[0][2].items(), ("0.6", "C1", "C0")):
        right.stairs(counts, EDGES, label=name, color=color, linewidth=1.5)
    right.set(xlabel="weight", ylabel="number of weights", yscale="log", title="Fig. 7: layer 1, the first seed, L2")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    drawing.save_figure(figure, path, show)


def study(folder, figures, seeds=digits.SEEDS, epochs=EPOCHS, retraining_epochs=RETRAINING_EPOCHS, held_out=0,
          cache=None, cluster=None, show=False):
    """Do all experiments with each seed, print the tables and draw the figures. Raises InputError.

    folder : of the digits; figures : the folder for the figures; held_out : see `mnist.load_mnist`
    cache : None, or the folder that keeps the result of each seed
    """
    mnist.load_mnist(folder, held_out)  # whether it is there, before the work
    run_of_seed = functools.partial(joblib.Memory(cache, verbose=0).cache(run), os.path.abspath(folder), held_out,
                                    epochs, retraining_epochs)
    results = list(studies.in_parallel(run_of_seed, seeds, "seeds", cluster))

    print_errors(results)
    print_claims(results)
    draw(results, f"{figures}/claims.png", show)
    draw_layers(results, f"{figures}/claims_layers.png", show)


@user_input.exit_status
def main(argv=()):
    options = digits.make_parser(__doc__.splitlines()[0]).parse_args(argv)
    files.check_folder(options.figures)
    study(options.data, options.figures, range(1, options.seeds + 1), held_out=options.held_out, cache=options.cache,
          cluster=options.cluster, show=options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
