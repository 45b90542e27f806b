"""Train the network and save it: the first of the paper's three steps (section 3), learning which connections matter.

Writes parameters.npy and data.npy, and draws the cost curve.
"""

import sys
import time

from tqdm import tqdm

import nn_functions as nn
from datasets import files, networks, npy, pictures, user_input
from figure import drawing

DATA = "datasets/carvnocar.h5"
LAYERS = [5, 4, 3, 2]  # units of the hidden layers; the output is one unit more
LEARNING_RATE = 0.0035  # the original's was 0.035, at which rounding decides the result: see README.md
ITERATIONS = 40000  # the original's: 4000
SEED = 1
OUT = "datasets"
FIGURES = "figure"


def train(X, Y, sizes, seed, learning_rate, iterations, **descent):
    """Train a new network, with a progress bar.

    sizes, seed : see `nn_functions.initialize_parameters`
    learning_rate, iterations, descent : see `nn_functions.gradient_descent`
    Returns the parameters, the costs, and the time that it took in seconds.
    """
    start = time.perf_counter()
    with tqdm(total=iterations, unit=" iterations", disable=None) as bar:

        def show(iterations_done, cost):
            bar.set_postfix_str(f"cost {cost:.6f}", refresh=False)
            bar.update(iterations_done)

        parameters = nn.initialize_parameters(sizes, seed)
        parameters, costs = nn.gradient_descent(X, Y, parameters, learning_rate, iterations, progress=show, **descent)
    return parameters, costs, time.perf_counter() - start


def draw_costs(costs, learning_rate, name, path, show=False):
    """Draw the cost against the iteration; name : what the cost is made of."""
    plt = drawing.pyplot(show)
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(costs)
    axes.set(title=f"Training, learning rate {learning_rate:g}", xlabel="iteration", ylabel=f"cost ({name})",
             xlim=(0, len(costs)), ylim=(0, None))
    axes.grid(alpha=0.3)
    drawing.save_figure(figure, path, show)


def parse_options(argv):
    """The command line."""
    parser = user_input.ArgumentParser("Train the network, save it and draw its cost curve.")
    parser.add_argument("--data", default=DATA, metavar="FILE", help="the pictures, HDF5")
    parser.add_argument("--layers", type=user_input.positive_integer, nargs="+", default=LAYERS, metavar="UNITS",
                        help="units of each hidden layer")
    user_input.add_descent_options(parser, LEARNING_RATE, ITERATIONS, "training")
    parser.add_argument("--seed", type=user_input.seed, default=SEED, help="of the first weights")
    parser.add_argument("--out", default=OUT, metavar="DIR", help="folder for parameters.npy and data.npy")
    parser.add_argument("--figures", default=FIGURES, metavar="DIR", help="folder for cost.png")
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    options = parser.parse_args(argv)
    user_input.check_descent_options(parser, options)
    return options


@user_input.exit_status
def main(argv=None):
    options = parse_options(argv)

    data = pictures.load_data(options.data)
    height, width, colours = pictures.picture_shape(options.data)
    files.make_folder(options.out)
    files.make_folder(options.figures)

    sizes = [len(data.X_train), *options.layers, 1]
    print(f"training pictures: {data.Y_train.size}, of which {data.Y_train.sum():.0f} show a car")
    print(f"test pictures: {data.Y_test.size}, of which {data.Y_test.sum():.0f} show a car")
    print(f"inputs: {height} x {width} pixels x {colours} colours = {len(data.X_train)}")
    print(f"network: {' -> '.join(map(str, sizes))}")
    parameters, costs, seconds = train(data.X_train, data.Y_train, sizes, options.seed, options.learning_rate,
                                       options.iterations, l1=options.l1, l2=options.l2)
    evaluation = nn.evaluate(data, parameters)

    penalty = " and penalty" if options.l1 or options.l2 else ""
    print(f"cost{penalty}: {costs[0]:.8f} at first, {costs[-1]:.8f} at last")
    print(f"train accuracy: {evaluation.train_accuracy:.2f} %")
    print(f"test accuracy: {evaluation.test_accuracy:.2f} %")
    print(f"time: {seconds:.1f} s for {options.iterations} iterations")

    networks.save_parameters(f"{options.out}/parameters.npy", parameters, costs)
    npy.save_dict(f"{options.out}/data.npy", {"learning_rate": options.learning_rate, "times": seconds, "costs": costs})
    print(f"network saved: {options.out}/parameters.npy")
    draw_costs(costs, options.learning_rate, f"cross-entropy{penalty}", f"{options.figures}/cost.png", options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main())
