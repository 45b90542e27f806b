"""Imports run one way, and the network imports NumPy alone."""

import ast
import sys

import pytest

from .conftest import ROOT

# From the ground up: a module imports only those of the levels below its own, or named before it in its own level.
# What is not named is a study, on top of all.
ORDER = [
    "nn_functions", "datasets.user_input", "datasets.files",
    "datasets.npy", "datasets.pictures", "datasets.networks", "datasets.photos", "datasets.mnist", "datasets.record",
    "prun_mask", "figure.drawing",
    "datasets.make_carvnocar", "datasets.fetch_mnist", "datasets.fetch_original", "nn_main", "nn_test", "pruning",
    "prun_parameters",
    "figure.studies", "figure.results", "figure.convolution", "figure.digits", "figure.lenet",
]
OPTIONAL = {"dask", "distributed", "pillow_heif"}  # for a cluster, and for photos of phones: where they are needed
MODULES = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts)
                 for folder in (".", "datasets", "figure") for path in (ROOT / folder).glob("*.py"))
SCRIPTS = [name for name in MODULES if "__init__" not in name]


def source(module):
    return (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


def imports(module):
    """The names of all modules that a module imports, anywhere in it; `from a import b` counts as a.b and a."""
    found = set()
    for node in ast.walk(ast.parse(source(module))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("module", SCRIPTS)
def test_imports_run_one_way(module):
    below = ORDER[:ORDER.index(module)] if module in ORDER else ORDER
    assert imports(module) & set(MODULES) <= set(below)


@pytest.mark.parametrize("module", SCRIPTS)
def test_a_file_begins_with_its_docstring_and_its_imports(module):
    docstring, *others = ast.parse(source(module)).body
    assert isinstance(docstring, ast.Expr) and isinstance(docstring.value.value, str)
    is_import = [isinstance(node, (ast.Import, ast.ImportFrom)) for node in others]
    assert is_import == sorted(is_import, reverse=True)


def test_the_network_imports_numpy_alone():
    assert {name.split(".")[0] for name in imports("nn_functions")} <= {"numpy", "itertools", "typing"}


def test_only_the_named_packages_are_imported():
    """What requirements.txt names, under the names that they are imported by, and Python's own."""
    packages = {"PIL" if name == "pillow" else name
                for name in (line.split(">")[0] for line in (ROOT / "requirements.txt").read_text().split())}
    own = {name.split(".")[0] for name in MODULES}
    for module in MODULES:
        others = {name.split(".")[0] for name in imports(module)} - own - set(sys.stdlib_module_names)
        assert others <= packages | OPTIONAL, module
