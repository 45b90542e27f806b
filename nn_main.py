"""Train the network and save it: the first of the paper's three steps (section 3), learning which connections matter.

Writes parameters.npy and data.npy, and draws the cost curve.
"""

import contextlib
import functools
import os
import sys
import time

import numpy as np
import threadpoolctl
from tqdm import tqdm

import nn_functions as nn
from datasets import files, networks, npy, pictures, user_input
from figure import drawing

DATA = "datasets/carvnocar.h5"
LAYERS = [5, 4, 3, 2]  # units of the hidden layers; the output is one unit more
LEARNING_RATE = 0.0035  # the original's was 0.035, at which rounding decides the result: see README.md
ITERATIONS = 40000  # the original's: 4000
SEED = 1
INIT = "original"  # see `nn_functions.initialize_parameters`
OUT = "datasets"
FIGURES = "figure"
ONE_THREAD = 1000  # pictures in an iteration, up to which BLAS is given one thread

threadpools = functools.cache(threadpoolctl.ThreadpoolController)  # looking for BLAS takes longer than some iterations


def limit_blas(pictures_at_a_time):
    """A context in which BLAS has one thread, if there are few pictures in an iteration.

    Two are no faster for products that small, much slower beside other work, and they round differently: with one, the
    result does not depend on the number of cores.
    """
    return threadpools().limit(limits=1 if pictures_at_a_time <= ONE_THREAD else None, user_api="blas")


def choose_descent(options, seed):
    """The function that descends, full-batch or with --batch, and its arguments that the command line gives."""
    penalties = {"l1": options.l1, "l2": options.l2}
    if options.batch:
        return nn.minibatch_descent, {"batch": options.batch, "momentum": options.momentum, "seed": seed, **penalties}
    return nn.gradient_descent, penalties


def train(X, Y, parameters, learning_rate, iterations, descent=nn.gradient_descent, **settings):
    """Train a network, with a progress bar.

    parameters : to start from
    learning_rate, iterations, settings : arguments of `descent`, `nn_functions.gradient_descent` or
        `nn_functions.minibatch_descent`
    Returns the parameters, the costs, and the time that it took in seconds.
    """
    start = time.perf_counter()
    with limit_blas(settings.get("batch", Y.shape[1])), tqdm(total=iterations, unit=" iterations", disable=None) as bar:

        def show(iterations_done, cost):
            bar.set_postfix_str(f"cost {cost:.6f}", refresh=False)
            bar.update(iterations_done)

        parameters, costs = descent(X, Y, parameters, learning_rate, iterations, progress=show, **settings)
    return parameters, costs, time.perf_counter() - start


def set_aside(out, costs):
    """Move an earlier network, which was trained in another way, to a folder of its own. Returns a line, or None.

    costs : those of the new training; the same way gives the same costs, but for another machine's rounding
    """
    path = f"{out}/parameters.npy"
    if not os.path.exists(path):
        return None
    with contextlib.suppress(ValueError, TypeError, KeyError):  # what is no network is moved as well
        old = np.ravel(npy.load_dict(path)["costs"])
        if len(old) == len(costs) and np.allclose(old.astype(float), costs, rtol=1e-3):
            return None
    folder = files.set_aside(out, "trained", ("parameters.npy", "data.npy"))
    return f"{out}: held another network, which is now in {folder}"


def print_accuracies(data, parameters):
    """Print a network's accuracies, what they are worth, and the mistakes that they are made of.

    Raises FloatingPointError, see `nn_functions.evaluate`.
    """
    _, *accuracies = nn.evaluate(data, parameters)
    always, *majority = pictures.majority_class(data)
    for part, accuracy, of_majority, X, Y in zip(("train", "test"), accuracies, majority, (data.X_train, data.X_test),
                                                 (data.Y_train, data.Y_test)):
        said, car = nn.predict(X, parameters) > 0.5, Y == 1
        false = (said & ~car).sum()
        print(f"{part} accuracy: {accuracy:.2f} % ({always}: {of_majority:.2f} %); cars: {(said & car).sum()} found, "
              f"{(~said & car).sum()} missed; {false} false alarm{'' if false == 1 else 's'}")


def predicts_one_class(X, Y, parameters):
    """Whether a network predicts one class for every picture, though their labels differ; X : (n_x, m), Y : (1, m)."""
    return len(np.unique(nn.predict(X, parameters) > 0.5)) < len(np.unique(Y))


def print_if_nothing_learned(name, data, parameters):
    """Print that a network has learned nothing, if it predicts one class. Returns whether it is so."""
    nothing_learned = predicts_one_class(data.X_train, data.Y_train, parameters)
    if nothing_learned:
        print(f"{name}: nothing was learned, one class is predicted for every training picture;\ntrain with --init he, "
              "another --seed, more --iterations or a smaller --learning-rate")
    return nothing_learned


def draw_costs(costs, Y, learning_rate, name, path, show=False):
    """Draw the cost against the iteration; Y : the labels, of shape (1, m); name : what the cost is made of."""
    figure, axes = drawing.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(costs)
    if len(np.unique(Y)) == 2 and "penalty" not in name:
        # What the cost cannot fall below as long as every picture is given the same probability, the share of cars.
        plateau = nn.compute_cost(np.full(Y.shape, Y.mean()), Y)
        on_it = np.count_nonzero(np.abs(costs / plateau - 1) < 0.01)
        axes.axhline(plateau, color="0.4", linestyle=":", linewidth=1)
        axes.annotate(f"the same probability for every picture: within 1 % of it for {on_it:,} iterations",
                      (0.02, plateau), (0, 5), xycoords=("axes fraction", "data"), textcoords="offset points",
                      fontsize=9, color="0.3")
    axes.set(title=f"Training, learning rate {learning_rate:g}", xlabel="iteration", ylabel=f"cost ({name})",
             xlim=(0, len(costs)), ylim=(0, 1.1 * costs.max()))
    axes.grid(alpha=0.3)
    drawing.save_figure(figure, path, show)


def parse_options(argv):
    """The command line."""
    parser = user_input.ArgumentParser("Train the network, save it and draw its cost curve.")
    parser.add_path("--data", DATA, "FILE", "the pictures, HDF5")
    parser.add_argument("--layers", type=user_input.integer(), nargs="+", metavar="UNITS",
                        help=f"units of each hidden layer (default: {' '.join(map(str, LAYERS))})")
    user_input.add_descent_options(parser, LEARNING_RATE, ITERATIONS, "training")
    parser.add_argument("--init", choices=("original", "he"),
                        help="how the first weights are drawn: original: W = 0.098 randn, b = randn; he: W = "
                             f"sqrt(2 / inputs) randn, b = 0, which learns more often (default: {INIT})")
    parser.add_argument("--seed", type=user_input.seed, help=f"of the first weights (default: {SEED})")
    parser.add_argument("--start", type=user_input.path, metavar="FILE",
                        help="train on from this network; connections that were pruned come back")
    parser.add_folders(OUT, FIGURES)
    options = parser.parse_args(argv)
    if options.start and (options.layers, options.init, options.seed) != (None, None, None):
        parser.error("--layers, --init and --seed do not go with --start, a network that is drawn already")
    if not options.start:
        options.layers = options.layers or LAYERS
        options.init = options.init or INIT
        options.seed = SEED if options.seed is None else options.seed
    return options


@user_input.exit_status
def main(argv=()):
    options = parse_options(argv)
    if options.start:
        print(f"network: {options.start}, to train on")
    data = pictures.load_data(options.data, scale=not options.batch)
    height, width, colours = pictures.picture_shape(options.data)
    n_x = len(data.X_train)
    start = (networks.load_parameters(options.start, n_x) if options.start else
             nn.initialize_parameters((n_x, *options.layers, 1), options.seed, options.init))

    print(f"training pictures: {data.Y_train.size}, of which {data.Y_train.sum():.0f} show a car")
    print(f"test pictures: {data.Y_test.size}, of which {data.Y_test.sum():.0f} show a car")
    print(f"inputs: {height} x {width} pixels x {colours} colours = {n_x}")
    print(f"network: {' -> '.join(map(str, nn.layer_sizes(start)))}")
    descent, settings = choose_descent(options, options.seed)
    parameters, costs, seconds = train(data.X_train, data.Y_train, start, options.learning_rate, options.iterations,
                                       descent, **settings)

    if moved := set_aside(options.out, costs):
        print(moved)
    networks.save_parameters(f"{options.out}/parameters.npy", parameters, costs)
    npy.save_dict(f"{options.out}/data.npy", {
        "learning_rate": options.learning_rate, "times": seconds, "costs": costs, "init": options.init,
        "seed": options.seed, "layers": nn.layer_sizes(start)[1:-1], "data": files.sha256(options.data)})
    print(f"network saved: {options.out}/parameters.npy")
    penalty = " and penalty" if options.l1 or options.l2 else ""
    print(f"cost{penalty}: {costs[0]:.8f} at first, {costs[-1]:.8f} at last")
    print(f"time: {seconds:.1f} s for {options.iterations} iterations")
    with limit_blas(options.batch or data.Y_train.size):
        print_accuracies(data, parameters)
    print_if_nothing_learned(f"{options.out}/parameters.npy", data, parameters)
    draw_costs(costs, data.Y_train, options.learning_rate, f"cross-entropy{penalty}", f"{options.figures}/cost.png",
               options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
