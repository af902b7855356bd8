"""Public names: `__all__` of the package and its public subpackages, with our own methods."""

import importlib
import inspect

PACKAGE = "sklearn_ebm"
SUBPACKAGES = ("datasets", "inspection", "metrics")


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
