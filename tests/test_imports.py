"""Imports run one way, and the network imports NumPy alone."""

import ast
import sys

import pytest

from .conftest import ROOT

# From the ground up: a module may import those of the levels before its own, and those named before it in its own
# level.
LEVELS = [
    ["nn_functions", "datasets.ctrl_c", "datasets.user_input", "datasets.files"],
    ["datasets.npy", "datasets.networks", "datasets.hdf5", "datasets.photos", "datasets.pictures", "datasets.mnist",
     "datasets.record", "datasets.download", "prun_mask", "figure.drawing"],
    ["datasets.make_carvnocar", "datasets.fetch_original", "datasets.fetch_mnist", "nn_main", "nn_test", "pruning",
     "prun_parameters"],
    ["figure.studies", "figure.digits", "figure.all"],
]
OPTIONAL = {"figure.studies": {"distributed", "cloudpickle"}}  # packages that are imported only where they are needed
MODULES = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts)
                 for folder in (".", "datasets", "figure") for path in (ROOT / folder).glob("*.py"))
STUDIES = [name for name in MODULES if name.startswith("figure.") and name not in sum(LEVELS, ["figure.__init__"])]


def imports(source):
    """The names of all modules that a source imports, anywhere in it; `from a import b` counts as a.b and a."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def allowed(module):
    """The modules of the project that a module may import."""
    if module in STUDIES:
        return set(sum(LEVELS, []))
    order = sum(LEVELS, [])
    return set(order[: order.index(module)])


def source(module):
    return (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", [name for name in MODULES if "__init__" not in name])
def test_imports_run_one_way(module):
    upwards = (imports(source(module)) & set(MODULES)) - allowed(module)
    assert not upwards, f"{module} imports {upwards}, which are not below it"


def test_the_network_imports_numpy_alone():
    assert {name.split(".")[0] for name in imports(source("nn_functions"))} <= {"numpy", "typing"}


@pytest.mark.parametrize("package", ["datasets", "figure"])
def test_a_package_is_a_docstring(package):
    (node,) = ast.parse(source(f"{package}.__init__")).body
    assert isinstance(node, ast.Expr) and isinstance(node.value.value, str)


def test_imports_are_found_anywhere():
    assert imports("import a.b\ndef f():\n    from c import d as e\n") == {"a.b", "c", "c.d"}
    assert "figure.studies" not in allowed("pruning") and "figure.far" not in allowed("figure.delta")


def test_only_the_named_packages_are_imported():
    """What requirements.txt names, under the names that they are imported by, and Python's own."""
    packages = {"PIL" if name == "pillow" else name
                for name in (line.split(">")[0] for line in (ROOT / "requirements.txt").read_text().split())}
    own = {name.split(".")[0] for name in MODULES}
    for module in MODULES:
        others = {name.split(".")[0] for name in imports(source(module))} - own - set(sys.stdlib_module_names)
        assert others <= packages | OPTIONAL.get(module, set()), module


def test_no_file_is_long():
    for module in MODULES:
        assert len(source(module).splitlines()) <= (630 if module == "nn_functions" else 300), module
