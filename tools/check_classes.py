"""Hold classes small, flat and substitutable: `python tools/check_classes.py`.

- A class defines at most 20 methods. Private methods and properties count, a property and its
  setter as one, and so does `__init__`. Other special methods do not count: Python and scikit-learn
  prescribe them, and splitting a class does not make them fewer.
- A class inherits from at most two of our own classes, directly or not. Mixins and protocols count.
- An override keeps the signature: the same parameters in the same order, with the same defaults. It
  may add optional parameters at the end. A method, a property and an attribute do not replace one
  another; static and class methods are methods, since an instance calls them in the same way.
  `__init__` may differ, since a constructor is called by the name of its class. If a class combines
  two bases, the same rule holds for what one of them hides of the other.

The sources are parsed, not imported, so a member that is assigned the result of a call is not seen.
`known` under `[tool.check_classes]` in pyproject.toml lists the violations that remain. An entry
that is no longer a violation is an error, so the list can only shrink.
"""

import ast
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "sklearn_ebm"
METHODS = 20
CLASSES_ABOVE = 2
FREE = {"__init__", "__new__"}  # called by the name of the class, never through a base
PROPERTIES = {"property", "cached_property"}


@dataclass
class Class:
    """A class as its source defines it; `bases` holds only our own classes."""

    name: str
    place: str
    node: ast.ClassDef
    bases: list = field(default_factory=list)
    members: dict = field(default_factory=dict)

    @property
    def n_methods(self):
        """The number of methods and properties that count."""
        functions = (each.name for each in self.node.body if isinstance(each, ast.FunctionDef))
        return len({name for name in functions if name == "__init__" or not _is_special(name)})

    def above(self):
        """All of our own classes from which this one inherits."""
        return {each.place: each for base in self.bases for each in (base, *base.above())}.values()


@dataclass(frozen=True)
class Member:
    """A member of a class: its kind and, for methods, its parameters."""

    kind: str
    positional: tuple = ()  # parameters: (name, default or None)
    keywords: frozenset = frozenset()
    extra: frozenset = frozenset()  # of * and **

    def may_replace(self, other):
        """Whether each call of `other` is valid for this member and means the same."""
        if self.kind != other.kind:
            return False
        shared = len(other.positional)
        added = (*self.positional[shared:], *(self.keywords - other.keywords))
        return (
            self.positional[:shared] == other.positional
            and self.keywords >= other.keywords
            and self.extra >= other.extra
            and all(default is not None for _, default in added)
        )

    def __str__(self):
        if self.kind != "method":
            return self.kind
        parameters = (*self.positional, *sorted(self.keywords, key=str))
        texts = [name if default is None else f"{name}={default}" for name, default in parameters]
        return f"method({', '.join([*texts, *sorted(self.extra)])})"


# Reading the package


def read_package(folder):
    """Return all classes of a package by their dotted place, with bases and members resolved."""
    classes, imports = {}, {}
    for path in sorted(folder.rglob("*.py")):
        module = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        module = module.removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        imports[module] = _imported(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                place = f"{module}.{node.name}"
                classes[place] = Class(node.name, place, node)
    for each in classes.values():
        module = each.place.rpartition(".")[0]
        found = (_resolve(base, module, classes, imports) for base in each.node.bases)
        each.bases = [base for base in found if base is not None]
    for each in classes.values():
        each.members = _members(each)
    return classes


def _imported(tree):
    """Map each name that a module imports to the dotted place of its origin."""
    places = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            places |= {
                each.asname or each.name: f"{node.module}.{each.name}" for each in node.names
            }
        elif isinstance(node, ast.Import):
            places |= {each.asname: each.name for each in node.names if each.asname}
    return places


def _resolve(base, module, classes, imports):
    """Our own class that an expression among the bases names, or None."""
    base = base.value if isinstance(base, ast.Subscript) else base
    first, *rest = ast.unparse(base).split(".")
    if not rest and f"{module}.{first}" in classes:
        return classes[f"{module}.{first}"]
    place = ".".join([imports[module].get(first, first), *rest])
    if place in classes or not place.startswith(f"{PACKAGE}."):
        return classes.get(place)
    subpackage, _, name = place.rpartition(".")  # a subpackage may load its names lazily
    if name in imports.get(subpackage, {}):
        return classes.get(imports[subpackage][name])
    inside = [
        c for c in classes.values() if c.name == name and c.place.startswith(f"{subpackage}.")
    ]
    return inside[0] if len(inside) == 1 else None


def _members(each):
    """What a class defines in its body and assigns to `self`, by name."""
    members = {}
    for node in each.node.body:
        if isinstance(node, ast.FunctionDef):
            members.setdefault(node.name, _function(node))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    members |= _assigned(target.id, node.value, members)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            members |= _assigned(node.target.id, node.value, members)
    settable = {name for c in (each, *each.above()) for name in _setters(c.node)}
    for name in _assigned_to_self(each.node) - settable:
        members.setdefault(name, Member("attribute"))
    return members


def _assigned(name, value, members):
    """The member by its name, if the value is an alias of another member or plain data."""
    if isinstance(value, ast.Name) and value.id in members:
        return {name: members[value.id]}
    is_data = isinstance(value, ast.Constant | ast.Tuple | ast.List | ast.Dict | ast.Set)
    return {name: Member("attribute")} if is_data else {}


def _assigned_to_self(node):
    return {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute)
        and isinstance(each.ctx, ast.Store)
        and isinstance(each.value, ast.Name)
        and each.value.id == "self"
    }


def _setters(node):
    functions = (each for each in node.body if isinstance(each, ast.FunctionDef))
    return {f.name for f in functions if any(name == "setter" for name in _decorators(f))}


def _decorators(function):
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _function(node):
    decorators = {*_decorators(node)}
    if decorators & PROPERTIES:
        return Member("property")
    given = node.args
    names = [each.arg for each in (*given.posonlyargs, *given.args)]
    defaults = [ast.unparse(each) for each in given.defaults]
    positional = zip(names, [None] * (len(names) - len(defaults)) + defaults, strict=True)
    keywords = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return Member(
        "method",
        tuple(positional)["staticmethod" not in decorators :],  # without self
        frozenset((each.arg, value and ast.unparse(value)) for each, value in keywords),
        frozenset(star for star, each in (("*", given.vararg), ("**", given.kwarg)) if each),
    )


def _is_special(name):
    return name.startswith("__") and name.endswith("__")


# What is wrong


def violations(classes):
    """Yield (entry, complaint) of each violation; the entry names it in the list of known ones."""
    for place, each in classes.items():
        if each.n_methods > METHODS:
            text = f"{place} defines {each.n_methods} methods, at most {METHODS}: split the class"
            yield f"methods {place}", text
        above = sorted(other.name for other in each.above())
        if len(above) > CLASSES_ABOVE:
            text = f"{place} has {len(above)} of our classes above it ({', '.join(above)}), at most"
            yield f"classes above {place}", f"{text} {CLASSES_ABOVE}: compose instead"
        for name, above, below in _changed(each):
            text = f"{place}.{name}: {above.members[name]} in {above.name}"
            text = f"{text}, but {below.members[name]} in {below.name}: keep the signature"
            yield f"signature {place}.{name} of {above.name}", text


def _changed(each):
    """Yield (name, class above, class below) of each override that must not be."""
    lines = [_linear(base) for base in each.bases]
    order = _linear(each)
    for name in {name for other in order for name in other.members} - FREE:
        holders = [other for other in order if name in other.members]
        for below, above in pairwise(holders):
            is_new = below is each or not any(below in line and above in line for line in lines)
            if is_new and not below.members[name].may_replace(above.members[name]):
                yield name, above, below


def _linear(each):
    """The order in which Python looks a name up, among our own classes."""
    lines = [*(_linear(base) for base in each.bases), list(each.bases)]
    order = [each]
    while lines := [line for line in lines if line]:
        tails = [other for line in lines for other in line[1:]]
        first = next(line[0] for line in lines if line[0] not in tails)
        order.append(first)
        lines = [[other for other in line if other is not first] for line in lines]
    return order


def complaints(classes, known=()):
    """Return the new violations, and the known ones that are no longer violations."""
    found = dict(violations(classes))
    new = [text for entry, text in found.items() if entry not in known]
    gone = [
        f"{entry!r} is no longer a violation: remove it from the list"
        for entry in known
        if entry not in found
    ]
    twice = [f"{entry!r} is listed twice" for entry, n in Counter(known).items() if n > 1]
    return sorted(new) + gone + twice


def main():
    with open(ROOT / "pyproject.toml", "rb") as file:
        known = tomllib.load(file)["tool"]["check_classes"]["known"]
    found = complaints(read_package(ROOT / PACKAGE), known)
    print("\n".join(found), end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
