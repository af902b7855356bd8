"""The package as a whole: import time, public names, and size of modules."""

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from check_size import too_long
from public_names import public_names

import sklearn_ebm

ROOT = Path(sklearn_ebm.__file__).parent
PACKAGES = [
    "sklearn_ebm",
    *(f"sklearn_ebm.{found.name}" for found in pkgutil.iter_modules([str(ROOT)]) if found.ispkg),
]
# Seconds to load, or GPU memory: only at first use.
HEAVY = {"numba", "cupy", "dask", "distributed", "matplotlib"}


def modules_loaded_by(statements):
    """Return the top-level modules that a new interpreter has loaded after the statements."""
    script = f"{statements}\nimport sys\nprint(*(name.partition('.')[0] for name in sys.modules))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT.parent)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    loaded = modules_loaded_by("import sklearn_ebm")
    assert "sklearn_ebm" in loaded
    assert not loaded & HEAVY


def test_naming_everything_public_loads_nothing_heavy():
    loaded = modules_loaded_by("from sklearn_ebm import *")
    assert not loaded & HEAVY


@pytest.mark.parametrize("package_name", PACKAGES)
def test_every_public_name_is_there_and_is_listed(package_name):
    package = importlib.import_module(package_name)
    names = getattr(package, "__all__", [])
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(package, name) is not None
    assert set(names) <= set(dir(package))  # completion in a shell uses dir


def test_the_package_has_public_names():
    assert {"SparseCoder", "PSD", "sparse_encode"} <= set(sklearn_ebm.__all__)


@pytest.mark.parametrize("package_name", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package_name):
    package = importlib.import_module(package_name)
    with pytest.raises(AttributeError, match="no_such_model"):
        package.no_such_model  # noqa: B018, looking it up is the test


def function_of(name):
    """Return the function of a public name; the constructor of a class."""
    found = pkgutil.resolve_name(name)
    if isinstance(found, property):
        found = found.fget
    return inspect.unwrap(found.__init__ if inspect.isclass(found) else found)


@pytest.mark.parametrize("name", sorted({*public_names()}))
def test_every_public_function_has_types(name):
    function = function_of(name)
    if not function.__module__.startswith("sklearn_ebm"):
        return  # inherited from scikit-learn, or written by dataclass
    signature = inspect.signature(function)
    parameters = {k: v for k, v in signature.parameters.items() if k not in ("self", "cls")}
    empty = inspect.Signature.empty
    assert [name for name, each in parameters.items() if each.annotation is empty] == []
    assert signature.return_annotation is not empty
    hints = typing.get_type_hints(function)
    assert all(accepts_none(hints[k]) for k, v in parameters.items() if v.default is None)


def accepts_none(hint):
    return hint in (typing.Any, object) or type(None) in typing.get_args(hint)


def test_types_of_the_package_are_for_users_too():
    assert (ROOT / "py.typed").is_file()


@pytest.mark.parametrize("package_name", PACKAGES)
def test_type_checkers_see_the_names_that_are_loaded_lazily(package_name):
    package = importlib.import_module(package_name)
    tree = ast.parse(inspect.getsource(package))
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    seen = {alias.asname: f"{each.module}.{alias.name}" for each in imports for alias in each.names}
    for name, home in getattr(package, "_HOMES", {}).items():
        assert seen.pop(name) == f"{package_name}.{home}.{name}"


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_modules_and_functions_stay_short(path):
    assert list(too_long(path)) == []


def test_version_agrees_with_what_is_installed():
    try:
        installed = importlib.metadata.version("sklearn-ebm")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("sklearn-ebm is on the path, but not installed")
    assert sklearn_ebm.__version__ == installed, "installed before the version rose: make install"
