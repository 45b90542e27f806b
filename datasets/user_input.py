"""What a user hands to a script: the error for their mistakes, option types, the parser, and the exit status."""

import argparse
import contextlib
import functools
import os
import sys

import numpy as np


class InputError(Exception):
    """A mistake that the user can correct. Its text is one line that names the file and says what is wrong with it."""


@contextlib.contextmanager
def as_input_error(path, kind):
    """Turn any error in reading a file into an InputError that names it; kind : what it should be, as "a .npy file"."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # damaged bytes can make the readers raise nearly anything
        raise InputError(f"{path}: not {kind}, or a damaged one ({describe(error)})") from error


def describe(error):
    """An error's message, in one line that names the file."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def program():
    """The script's name as messages show it: the same whether it is run by its path or with `python -m`."""
    return os.path.basename(sys.argv[0])


def exit_status(main):
    """Decorate a script's `main(argv=None, ...)`: a user's mistake becomes one line and status 2, Ctrl-C status 130."""

    @functools.wraps(main)
    def wrapper(argv=None, **settings):
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a file name may have letters that the terminal does not
                stream.reconfigure(errors="backslashreplace")
        try:
            status = main(argv, **settings)
            sys.stdout.flush()
            return status
        except BrokenPipeError:  # the program that read the output has ended, as with `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (InputError, OSError, MemoryError, FloatingPointError) as error:
            message, status = describe(error), 2
        except KeyboardInterrupt:
            message, status = "interrupted", 130
        print(f"{program()}: {message}", file=sys.stderr)
        return status

    return wrapper


# --------------------------------------------------------------------------------------------- the command line

class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of every option that has one: None and False say nothing."""

    def _get_help_string(self, action):
        return action.help if action.default in (None, False) else super()._get_help_string(action)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, with its complaints in one line, and the defaults in the help."""

    def __init__(self, description):
        super().__init__(program(), description=description, formatter_class=HelpFormatter)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def positive_integer(text):
    """The type of an option that counts something."""
    return _option(int, text, lambda value: value >= 1, "a whole number of at least 1")


def nonnegative_number(text):
    """The type of an option that may be 0, such as the factor of a penalty."""
    return _option(float, text, lambda value: 0 <= value < np.inf, "a finite number of at least 0")


def positive_number(text):
    """The type of an option such as a learning rate."""
    return _option(float, text, lambda value: 0 < value < np.inf, "a finite number above 0")


def percentage(text):
    """The type of an option in percent for which neither 0 nor 100 makes sense."""
    return _option(float, text, lambda value: 0 < value < 100, "a number between 0 and 100")


def seed(text):
    """The type of an option that seeds numpy.random.RandomState."""
    return _option(int, text, lambda value: 0 <= value < 2**32, f"a whole number from 0 to {2**32 - 1}")


def _option(kind, text, is_valid, expected):
    """The value of an option, or the error that argparse reports with the option's name."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not is_valid(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return value


def add_descent_options(parser, learning_rate, iterations, what):
    """The options of gradient descent, with their defaults; what : "training" or "each retraining"."""
    parser.add_argument("--learning-rate", type=positive_number, default=learning_rate, metavar="RATE",
                        help=f"step size of {what}")
    parser.add_argument("--iterations", type=positive_integer, default=iterations, metavar="N",
                        help=f"iterations of {what}")
    parser.add_argument("--l1", type=nonnegative_number, default=0.0, metavar="FACTOR",
                        help="penalty on large weights (section 3.1), slow: this factor times the sum of magnitudes")
    parser.add_argument("--l2", type=nonnegative_number, default=0.0, metavar="FACTOR",
                        help="penalty on large weights (section 3.1): half this factor times the sum of squares")


def check_descent_options(parser, options):
    """Refuse an --l2 for which a step would change the sign of the weights."""
    if options.learning_rate * options.l2 >= 1:
        parser.error(f"--l2 {options.l2:g} is too large for --learning-rate {options.learning_rate:g}: "
                     "their product must be below 1")
