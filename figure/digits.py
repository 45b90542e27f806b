"""What the studies of LeNet-300-100 and LeNet-5 on MNIST share: their jobs, their tables, their figure.

A job trains a network with a seed, and prunes and retrains it as its method says; each network is a row of the study's
CSV file (`figure.results`): its method, seed and size (the fraction of a step, see `keep_fraction`), the epochs until
then, the weights of the unpruned network, the connections kept, in all and by layer, the FLOP kept and the error, both
in percent. The column `digits` says whether these are the test digits, or the last training digits, which are then
left out of the training.
"""

import functools
import glob
import hashlib
import itertools
import json
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import nn_functions as nn
import prun_mask
import pruning
from datasets import mnist, networks, user_input
from figure import drawing, results, studies

SIZES = (784, 300, 100, 10)  # of LeNet-300-100
SEEDS = (1, 2, 3, 4, 5)
CONTROL_SEEDS = 3  # the first ones have controls
MOMENTUM = 0.9
LOW_RATE = 0.1  # times that of training: the paper's rate of retraining (section 4.1)

# The methods: colour, marker and line in the figures, and what they are. A job of STEP_BY_STEP gives all steps.
METHODS = {"iterative": ("C0", "o", "-", "pruned step by step, high rate at each retraining"),
           "random": ("C3", "X", "-", "as iterative, as many connections kept at random"),
           "one-shot": ("C1", "s", "--", "pruned at once, retrained as long"),
           "shuffled": ("C5", "P", "--", "as one-shot, iterative masks shuffled in each layer"),
           "unpruned": ("C4", "D", ":", "unpruned, trained as long"),
           "small dense": ("C6", "^", "--", "dense, as few weights from the start, trained as long"),
           "low rate": ("C2", "v", "-", "as iterative, at a tenth of the rate of training"),
           "restarts": ("C7", "*", ":", "nothing pruned, restarts at the high rate as iterative")}
STEP_BY_STEP = ("iterative", "random", "low rate", "restarts")
NEED_COUNTS = ("random", "shuffled")  # keep as many of each layer as the iterative network of the same seed


class Stage(NamedTuple):
    """How the network is trained, or retrained after each of several steps of pruning."""

    fractions: tuple  # that the steps keep, before the factors of the layers; training has none
    epochs: int
    learning_rate: float  # falls to 0 along half a cosine in every training and retraining
    batch: int
    l2: float

    @property
    def size(self):
        """The fraction of a step; 1 of training."""
        return self.fractions[0] if self.fractions else 1


class Study(NamedTuple):
    """What `figure.lenet` and `figure.lenet5` differ in."""

    name: str
    title: str
    weights: int  # of the unpruned network
    new_parameters: Callable  # of a seed, and of other sizes for "small dense"
    descent: Callable
    layers_of: Callable  # see `nn_functions.activations`
    layer_table: Callable  # see `prun_parameters.layer_table`
    alone: Callable | None  # does the jobs that prune each layer alone
    factors: tuple  # a layer keeps this factor times a step's fraction of its connections; all, at most
    dropout: tuple
    training: Stage
    retraining: tuple  # of `Stage`
    controls: dict  # from the fractions of the steps that have controls to the sizes of a dense network as small
    one_shot: tuple  # further fractions at which it is pruned at once, and retrained at the rate of training
    tolerance: float  # points of error on held-out digits that the exported network may lose
    held_out: int  # the last training digits, on which settings and the exported network are chosen
    paper: dict  # from a name to ratio and error in percent
    later: dict  # what others report since: year, ratio or ratios, error
    without: tuple = ()  # methods that it does not have
    data: str = ""  # `mnist.fingerprint` of the digits: other ones have other rows and networks


def new_parameters(seed, sizes=SIZES):
    """A network before training, in float32."""
    return {name: value.astype(np.float32) for name, value in nn.initialize_parameters(sizes, seed, "he").items()}


def keep_fraction(parameters, fraction, factors, scores=np.abs):
    """The masks that keep each layer's factor times a fraction of its connections (at most all), of largest scores."""
    masks = {}
    for l, factor in enumerate(factors, start=1):
        W = parameters[f"W{l}"]
        number = min(np.count_nonzero(W), max(1, round(min(1, factor * fraction) * W.size)))
        masks[f"W{l}"] = prun_mask.keep_largest(scores(W), number, among=W != 0)
    return masks


# ------------------------------------------------------------------------------------------------------------ jobs

def steps_of(study, method, size):
    """What a job does: a list of `Stage`; those of retraining have one fraction, that of training none."""
    steps = [stage._replace(fractions=(at,)) for stage in study.retraining for at in stage.fractions]
    if method == "low rate":
        steps = [step._replace(learning_rate=LOW_RATE * study.training.learning_rate) for step in steps]
    if method in STEP_BY_STEP:
        return [study.training, *steps]
    if size in study.one_shot:
        return [study.training, study.training._replace(fractions=(size,), epochs=steps[0].epochs)]
    at = [step.fractions[0] for step in steps].index(size)
    epochs = sum(step.epochs for step in steps[:at + 1])
    if method in ("unpruned", "small dense"):
        return [study.training._replace(epochs=study.training.epochs + epochs)]
    return [study.training, steps[at]._replace(epochs=epochs)]


def take_step(study, data, before, stage, number, job, counts):
    """Train a network, or prune and retrain it. Returns the parameters.

    before : the parameters, None to train; number : of the step; counts : what a random mask keeps of each layer
    """
    method, seed = job["method"], job["seed"]
    iterations = stage.epochs * -(-data.X_train.shape[1] // stage.batch)
    settings = {"learning_rate": nn.half_cosine(stage.learning_rate, iterations), "iterations": iterations,
                "seed": seed, "batch": stage.batch, "l2": stage.l2, "momentum": MOMENTUM, "dropout": study.dropout}
    if before is None:
        start = study.new_parameters(seed)
        if method == "small dense":  # without dropout, which costs such a network two points on held-out digits
            start = study.new_parameters(seed, study.controls[job["size"]])
            settings["dropout"] = (0,) * len(study.dropout)
        return study.descent(data.X_train, data.Y_train, start, **settings)[0]

    def masks_of(step, parameters):
        if method == "restarts":
            return {}
        if method in NEED_COUNTS:
            numbers = {f"W{l}": number for l, number in enumerate(counts, start=1)}
            return studies.random_masks(parameters, numbers, np.random.default_rng([step, seed]))
        return prun_mask.without_dead_neurons(keep_fraction(parameters, stage.fractions[0], study.factors))

    return next(pruning.prune_iteratively(data, before, masks_of, number, descent=study.descent,
                                          **settings)).parameters


def settings_of(study):
    """What the rows of a study depend on besides the code, for the first line of the CSV file."""
    return {"data": study.data, "factors": study.factors, "dropout": study.dropout, "momentum": MOMENTUM,
            "training": study.training, "retraining": study.retraining, "small dense": [*study.controls.items()]}


def network_file(study, folder, job, stage):
    """The path of a network that is kept, in the exported format; networks of other settings have other names."""
    digest = hashlib.sha256(json.dumps(settings_of(study)).encode()).hexdigest()[:8]
    shared = not stage.fractions and stage == study.training  # the trained network, which most methods begin with
    parts = (study.name, digest, "trained" if shared else job["method"].replace(" ", "_"), job["seed"], job["digits"],
             stage.fractions[0] if stage.fractions else "" if shared else job["size"])
    return f"{folder}/{'-'.join(map(str, filter(None, parts)))}.npz"


def run(study, folder, kept_in, counts, job):
    """Do a job, in float32. Returns its rows: of all steps, or for a method with one size of the last one.

    folder : of the digits; kept_in : None, or the folder that keeps the networks, where an interrupted job goes on
    counts : a dict from seed and size to the connections of each layer of the iterative network
    """
    if job["method"] == "layers alone":
        return study.alone(study, folder, kept_in, job)
    data = mnist.load_mnist(folder, study.held_out if job["digits"] == "held-out" else 0)
    rows, parameters, epochs = [], None, 0
    for number, stage in enumerate(steps_of(study, job["method"], job.get("size"))):
        path = kept_in and network_file(study, kept_in, job, stage)
        if path and os.path.exists(path):
            parameters = networks.load_exported(path)
        else:
            parameters = take_step(study, data, parameters, stage, number, job,
                                   counts.get((job["seed"], stage.size)))
            if path:
                networks.export_parameters(path, parameters)
        epochs += stage.epochs
        rows.append({"size": stage.size, "epochs": epochs, **measure(study, data, parameters)})
    return rows if job["method"] in STEP_BY_STEP else rows[-1:]


def measure(study, data, parameters):
    """The columns of a row that are measured."""
    kept = {f"kept_{l}": np.count_nonzero(parameters[f"W{l}"]) for l in range(1, len(study.factors) + 1)}
    table = study.layer_table(parameters, data.X_test)
    AL = nn.predict(data.X_test, parameters, study.layers_of)
    return {"weights": study.weights, "kept": sum(kept.values()), **kept,
            "flop": round(table[-1].flop_kept, 2), "error": round(100 - nn.accuracy(AL, data.Y_test), 4)}


def jobs_of(study, seeds, digits="test"):
    """The jobs of a study: those of the method, which the others are compared with, first."""
    jobs = [{"method": "iterative", "seed": seed, "digits": digits} for seed in seeds]
    if digits == "test":
        jobs.append({"method": "iterative", "seed": seeds[0], "digits": "held-out"})  # which network is exported
        jobs += [{"method": "layers alone", "seed": seed, "digits": digits} for seed in seeds if study.alone]
    for method in [method for method in METHODS if method not in ("iterative", *study.without)]:
        sizes = (*(study.one_shot if method == "one-shot" else ()), *study.controls)
        more = [{}] if method in STEP_BY_STEP else [{"size": size} for size in sizes]
        jobs += [{"method": method, "seed": seed, "digits": digits, **size}
                 for seed in seeds[:CONTROL_SEEDS] for size in more]
    return jobs


def counts_of(study, rows, digits):
    """How many connections of each layer the iterative networks have, a dict from seed and size."""
    return {(row["seed"], row["size"]): kept_of(study, row) for row in rows
            if (row["method"], row["digits"]) == ("iterative", digits)}


def kept_of(study, row):
    """The connections kept of each layer of a row's network, a tuple."""
    return tuple(row[f"kept_{l}"] for l in range(1, len(study.factors) + 1))


def columns_of(study):
    """The columns of the CSV file."""
    return ["method", "seed", "digits", "size", "epochs", "weights", "kept",
            *(f"kept_{l}" for l in range(1, len(study.factors) + 1)), "flop", "error"]


# ------------------------------------------------------------------------------------------------ tables and figure

def ratio(row):
    """How many times fewer connections there are than in the unpruned network."""
    return row["weights"] / row["kept"]


def of(rows, method, size=None, seed=None):
    """The rows of a method, of one size or of all, of one seed or of all."""
    return [row for row in rows if row["method"] == method and size in (None, row.get("size"))
            and seed in (None, row["seed"])]


def exported_size(study, rows):
    """The size of the exported network: the furthest step that loses at most the tolerance, on held-out digits."""
    held_out = [row for row in rows if (row["method"], row["digits"]) == ("iterative", "held-out")]
    limit = held_out[0]["error"] + study.tolerance + 1e-9 if held_out else 0
    return next((row["size"] for row in reversed(held_out) if row["error"] <= limit), None)


def print_tables(study, rows, others):
    """Print the tables of the page; rows : of the study; others : those of further methods, added by --with."""
    sizes = [size for size in study.controls if of(rows, "iterative", size)]
    if not sizes:
        return
    median = {size: np.median([ratio(row) for row in of(rows, "iterative", size)]) for size in sizes}
    lines = []
    for method in METHODS:
        found = [of(rows, method, size) for size in sizes]
        if any(found):
            errors = (results.median_and_range([row["error"] for row in those], unit="") for those in found)
            lines.append([method, max(map(len, found)), *errors])
    epochs = [of(rows, "iterative", size)[0]["epochs"] for size in sizes]
    results.print_table(f"{study.name}: controls", results.table(
        ["error (%), median (range)", "seeds", *(f"{median[size]:.1f} times" for size in sizes)],
        [["epochs", "", *epochs], *lines]))
    lines = [[f"{method} less {than}", *(", ".join(
        f"{a['error'] - b['error']:+.2f}" for a in of(rows, method, size) for b in of(rows, than, size, a["seed"]))
        for size in sizes)] for method, than in (("iterative", "unpruned"), ("random", "iterative"),
                                                 ("shuffled", "one-shot"), ("low rate", "iterative"))
             if of(rows, method) and of(rows, than)]
    results.print_table(f"{study.name}: seed by seed", results.table(
        ["points of error", *(f"{median[size]:.1f} times" for size in sizes)], lines))
    print_summary(study, rows)
    for method in dict.fromkeys(row["method"] for row in others):
        print(f"\n{method}: ratio and error (%): " + ", ".join(
            f"{ratio(row):.1f} {row['error']:.2f}" for row in of(others, method)))


def print_summary(study, rows):
    """Print the README's table: the medians at each size with all these controls; rows : of the study."""
    lines, methods = [], ("iterative", "low rate", "random", "unpruned", "small dense")
    for size in study.controls:
        found = of(rows, "iterative", 1), *(of(rows, method, size) for method in methods)
        if all(found):
            medians = (f"{np.median([row['error'] for row in those]):.2f}" for those in found)
            times = np.median([ratio(row) for row in of(rows, "iterative", size)])
            lines.append([f"{times:.0f} times fewer", *medians])
    head = [f"{study.title}, error (%)", "unpruned", "pruned", "low rate", "random", "as long", "small dense"]
    if lines:
        results.print_table(f"readme: {study.title}", results.table(head, lines))


def curve(rows):
    """The median ratio and error of rows at each size: lists; a row without a size is a size of its own."""
    by_size = {}
    for i, row in enumerate(rows):
        by_size.setdefault(row.get("size") or -i, []).append((ratio(row), row["error"]))
    return zip(*sorted(tuple(np.median(found, axis=0)) for found in by_size.values()))


def draw(study, rows, others, ylim, ticks, path, show=False):
    """Draw the error against the ratio, a line for each method; rows, others : see `print_tables`."""
    figure, axes = drawing.subplots(figsize=(9, 7), layout="constrained")
    own = dict.fromkeys(row["method"] for row in others)
    styles = METHODS | {method: ("black", marker, "-", "added by --with")
                        for method, marker in zip(own, itertools.cycle("hp<>dH"))}
    for method, (color, marker, line, text) in styles.items():
        found = of(others if method in own else rows, method)
        if not found or method == "restarts":  # which has no ratio but 1, and many errors
            continue
        for seed in {row["seed"] for row in found}:
            of_seed = sorted((ratio(row), row["error"]) for row in of(found, method, seed=seed))
            axes.plot(*zip(*of_seed), line if method in STEP_BY_STEP else "", color=color, marker=marker, markersize=2,
                      linewidth=0.5, alpha=0.5)
        x, y = map(list, curve(found))
        seeds = len({row["seed"] for row in found})
        axes.plot(x, y, line, color=color, marker=marker, linewidth=1.8, markersize=5,
                  label=f"{method}: {text}; {seeds}")
        inside = [(a, b) for a, b in zip(x, y) if ylim[0] <= b <= ylim[1]]
        if inside:  # where the line leaves the figure, or ends
            axes.annotate(method, inside[-1], (6, -12 if inside[-1][0] == 1 else 0), textcoords="offset points",
                          color=color, fontsize=9, va="center")
    axes.plot(*zip(*study.paper.values()), "*", color="black", markersize=11, linestyle="",
              label="the paper (2015): unpruned, and 12 times")
    for (method, (year, times, found)), marker in zip(study.later.items(), "1234+x|_"):
        axes.plot(times, found, marker, color="0.3", markersize=9, label=f"{method} ({year})")
    axes.set(xscale="log", xlim=(0.95, 1.6 * ticks[-1]), ylim=ylim, title=f"{study.title}: medians; thin: each seed",
             xlabel="ratio: connections of the unpruned network / connections kept",
             ylabel=f"error on the {rows[0]['digits']} digits (%)")
    axes.set_xticks(ticks, [f"{tick}×" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8, title="method; number of seeds")
    drawing.save_figure(figure, path, show)


# ------------------------------------------------------------------------------------------------- the command line

def make_parser(description, held_out, with_others=False):
    """The command line of a study on MNIST; held_out : how many digits; with_others : see `results.add_options`."""
    parser = user_input.ArgumentParser(description)
    parser.add_path("--data", mnist.MNIST, "DIR", "the digits")
    parser.add_path("--figures", results.FIGURES, "DIR", "folder for the figures and the CSV files")
    parser.add_argument("--show", action="store_true", help="show the figures in a window, too")
    parser.add_argument("--held-out", action="store_true", help=f"leave the last {held_out} training digits out, and "
                                                                "measure errors on them: for the choice of settings")
    results.add_options(parser, "1 to N", len(SEEDS), with_others)
    return parser


def main(study, argv, description, draw_all, export):
    """The script of a study: do the jobs that are missing, then print the tables and draw.

    draw_all : a function of the study, the rows, those of further methods, and the options
    export : the file of the exported network, which is written where --networks has it
    """
    options = make_parser(description, study.held_out, with_others=True).parse_args(argv)
    path, digits = results.find_file(options, study.name), "held-out" if options.held_out else "test"
    if options.networks or not results.only_drawn(options):
        study = study._replace(data=mnist.fingerprint(options.data))
    if results.only_drawn(options):
        rows = results.read(path, columns_of(study))
    else:
        check_networks(study, options)
        rows = do_jobs(study, os.path.abspath(options.data), path, range(1, options.seeds + 1), digits, options)
        export_network(study, rows, options, export)
    others = [row for file in options.others for row in read_others(study, file)]
    draw_all(study, [row for row in rows if row["digits"] == digits], others, options)
    return 0


def check_networks(study, options):
    """Find out before the work whether the folder of --networks can be written to, and suits --fresh. Or InputError."""
    if options.networks:
        user_input.check_folder(options.networks)
        if options.fresh and glob.glob(f"{glob.escape(options.networks)}/{study.name}-*.npz"):
            raise user_input.InputError(f"{options.networks}: has networks of {study.title}, which the study would use "
                                        "again; --fresh needs an empty folder")


def read_others(study, path):
    """The rows of further methods in a CSV file. Raises InputError, or OSError."""
    numbers = ("weights", "kept", "error")
    rows = results.read(path, ("method", "seed", *numbers), numbers)
    there = [(row["method"], row["seed"], row.get("size") or row["kept"]) for row in rows]
    for is_there, fault in (({row["method"] for row in rows} & METHODS.keys(), "methods of ours; give yours a name"),
                            ({row["weights"] for row in rows} - {study.weights}, f"other networks than {study.title}"),
                            (len({*there}) < len(there), "a network twice, by method, seed and size; make a new file")):
        if is_there:
            raise user_input.InputError(f"{path}: has {fault}")
    return rows


def do_jobs(study, folder, path, seeds, digits, options):
    """Do the jobs of a study that are not in its CSV file yet. Returns all rows."""
    kept_in = options.networks and os.path.abspath(options.networks)
    jobs = jobs_of(study, seeds, digits)

    def is_done(job):
        return not kept_in or job["method"] == "layers alone" or os.path.exists(
            network_file(study, kept_in, job, steps_of(study, job["method"], job.get("size"))[-1]))

    def do(jobs, counts, fresh):
        return results.run(functools.partial(run, study, folder, kept_in, counts), jobs, path, settings_of(study),
                           columns_of(study), is_done=is_done, fresh=fresh, cluster=options.cluster)

    rows = do([job for job in jobs if job["method"] == "iterative"], {}, options.fresh)
    return do(jobs, counts_of(study, rows, digits), False)


def export_path(options, export):
    """The file of the exported network: the recorded one, or in another --figures folder one there."""
    recorded = options.figures == user_input.default_path(results.FIGURES)
    return user_input.default_path(export) if recorded else os.path.join(options.figures, os.path.basename(export))


def export_network(study, rows, options, export):
    """Write the first seed's network at the size that the held-out digits tell, where --networks has it."""
    size = exported_size(study, rows)
    if not options.networks or size is None or options.held_out:
        return
    path, job = export_path(options, export), {"method": "iterative", "seed": 1, "digits": "test"}
    stage = study.training._replace(fractions=(size,))
    networks.export_parameters(path, networks.load_exported(network_file(study, options.networks, job, stage)))
    print(f"network exported: {path}, {os.path.getsize(path)} bytes")
