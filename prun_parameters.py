"""The network before and after pruning, side by side: first weights, degree, accuracies, and verdicts on photos."""

import sys

import nn_functions as nn
import nn_test
import prun_mask

DATA = "datasets/carvnocar.h5"
PARAMETERS = "datasets/parameters.npy"
PRUNED = "datasets/prun_parameter/prun_parameters39.npy"
PHOTOS = "photos_demo"
FIGURES = "figure"


@nn.exit_status
def main(argv=None):
    parser = nn.ArgumentParser("Compare the network before and after pruning.")
    parser.add_argument("--data", default=DATA, metavar="FILE", help="the pictures, HDF5")
    parser.add_argument("--parameters", default=PARAMETERS, metavar="FILE", help="the network before pruning")
    parser.add_argument("--pruned", default=PRUNED, metavar="FILE", help="the network after pruning")
    parser.add_argument("--photos", default=PHOTOS, metavar="DIR", help="folder of photos, with a labels.csv")
    parser.add_argument("--figures", default=FIGURES, metavar="DIR", help="folder for prun_predict.png")
    parser.add_argument("--show", action="store_true", help="show the figure in a window, too")
    options = parser.parse_args(argv)

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
        print(f"photos: {nn_test.score(judged, labels)}\n")

    nn.make_folder(options.figures)
    nn_test.draw_photos(paths, photos, lines, "Before pruning (first line) and after it, with the probability of a car",
                        f"{options.figures}/prun_predict.png", options.show)
    for error in errors:
        print(f"{parser.prog}: {error}", file=sys.stderr)
    return 2 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
