"""Validate the docstrings of everything public by numpydoc: `python tools/check_docstrings.py`.

Public is what users import by a documented name: the `__all__` of the package and of each public
subpackage, with the public methods that we define ourselves. numpydoc's own command goes by
underscores instead, and would ask the same of every helper. The checks stand in pyproject.toml.
"""

import importlib
import inspect
import sys
import tomllib
from pathlib import Path

from numpydoc.validate import validate

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "sklearn_ebm"
SUBPACKAGES = ("datasets", "inspection", "metrics")
FOR_CLASSES = ("EX01",)  # estimators, layers and displays each show one runnable example


def public_names():
    """Yield the dotted name of every public class, function, method and property."""
    for module_name in (PACKAGE, *(f"{PACKAGE}.{subpackage}" for subpackage in SUBPACKAGES)):
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            yield from _with_methods(f"{module_name}.{name}", getattr(module, name))


def _with_methods(name, thing):
    if not callable(thing):
        return  # a subpackage, or the version
    yield name
    if inspect.isclass(thing):
        for attribute, member in inspect.getmembers(thing):
            if not attribute.startswith("_") and _is_ours(member):
                yield f"{name}.{attribute}"


def _is_ours(member):
    """Whether a method or property was written here: scikit-learn's mixins answer for their own."""
    function = member.fget if isinstance(member, property) else member
    return inspect.isroutine(function) and str(function.__module__).startswith(PACKAGE)


def complaints(name, checks):
    """Return what numpydoc has to say on one name, restricted to the checks asked for."""
    report = validate(name)
    wanted = {*checks, *FOR_CLASSES} if report["type"] == "type" else set(checks)
    place = f"{report['file']}:{report['file_line']}: {name}"
    return [f"{place} {code} {text}" for code, text in report["errors"] if code in wanted]


def main():
    with open(ROOT / "pyproject.toml", "rb") as file:
        checks = tomllib.load(file)["tool"]["numpydoc_validation"]["checks"]
    names = sorted(set(public_names()))
    found = [complaint for name in names for complaint in complaints(name, checks)]
    print("\n".join(found), end="\n" if found else "")
    if not names:
        print(f"{PACKAGE} has no public names: nothing was validated")
    return bool(found) or not names


if __name__ == "__main__":
    sys.exit(main())
