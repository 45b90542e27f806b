"""A package, so that `python -m datasets.make_carvnocar` is found here though another package has this name."""
