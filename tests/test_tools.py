"""Tests of the repository's own tools, since a check that never fails would not be noticed."""

import ast
import os
from functools import partial
from itertools import combinations, product
from pathlib import Path

import pytest
from check_classes import CLASSES_ABOVE, METHODS, complaints, read_package
from check_dist import complaints as dist_complaints
from check_size import BODY_LINES, MODULE_LINES, too_long
from lowest_versions import constraints
from numba_cache import SECONDS_KEPT, open_cache, source_hash
from preview_changes import END, START, with_preview

from tests.grids import covering


def test_size_check_counts_a_body_without_its_docstring(tmp_path):
    path = tmp_path / "module.py"
    header = 'def function():\n    """One line.\n\n    And another.\n    """\n'
    path.write_text(header + "    value = 0\n" * BODY_LINES)
    assert list(too_long(path)) == []
    path.write_text(header + "    value = 0\n" * (BODY_LINES + 1))
    (complaint,) = too_long(path)
    assert f"function has {BODY_LINES + 1} lines" in complaint


def test_size_check_counts_the_lines_of_a_module(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("value = 0\n" * (MODULE_LINES - 1))
    assert list(too_long(path)) == []
    path.write_text("value = 0\n" * MODULE_LINES)
    assert len(list(too_long(path))) == 1


def sources(root, package="sklearn_ebm", **modules):
    """Write a package with the given modules."""
    package = root / package
    package.mkdir(parents=True, exist_ok=True)
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    return root


kernels = partial(sources, package="sklearn_ebm/backends")


def test_source_hash_follows_every_edit_and_every_name(tmp_path):
    hashes = [
        source_hash(kernels(tmp_path, kernel="value = 1")),
        source_hash(kernels(tmp_path, kernel="value = 2")),
        source_hash(kernels(tmp_path, empty="")),
    ]
    backends = tmp_path / "sklearn_ebm" / "backends"
    (backends / "empty.py").rename(backends / "renamed.py")
    hashes.append(source_hash(tmp_path))
    assert len(set(hashes)) == 4
    kernels(tmp_path, kernel="value = 2")  # written again, without changes
    sources(tmp_path, model="value = 3")  # no kernel calls into it
    assert source_hash(tmp_path) == hashes[-1]


def test_open_cache_drops_only_what_is_long_out_of_use(tmp_path):
    caches = tmp_path / "caches"
    root = kernels(tmp_path, kernel="value = 1")
    first = open_cache(caches, root)
    second = open_cache(caches, kernels(root, kernel="value = 2"))
    assert first.is_dir()
    assert second.is_dir()
    long_ago = first.stat().st_mtime - SECONDS_KEPT - 60
    os.utime(first, (long_ago, long_ago))
    os.utime(second, (long_ago, long_ago))
    assert open_cache(caches, root) == second  # also old, but in use
    assert not first.exists()
    assert second.is_dir()


def class_complaints(root, known=(), **modules):
    """Return the output of the check of classes for a package with the given modules."""
    return complaints(read_package(sources(root, **modules) / "sklearn_ebm"), known)


def body(*functions):
    return "".join(f"    def {function}: ...\n" for function in functions)


def test_class_check_counts_methods_and_properties(tmp_path):
    methods = [f"_method_{i}(self)" for i in range(METHODS - 2)]
    special = ["__repr__(self)", "__getstate__(self)"]
    size = (
        "    @property\n    def size(self): ...\n    @size.setter\n    def size(self, value): ...\n"
    )
    most = "class Model:\n" + body("__init__(self)", *methods, *special) + size
    assert class_complaints(tmp_path, model=most) == []
    (complaint,) = class_complaints(tmp_path, model=most + body("one_more(self)"))
    assert f"sklearn_ebm.model.Model defines {METHODS + 1} methods" in complaint


def test_class_check_counts_our_own_classes_above(tmp_path):
    base = "from collections import UserDict\nclass A(UserDict): ...\nclass Mixin: ...\n"
    below = "from sklearn_ebm import base\nfrom sklearn_ebm.base import A as First\n"
    two = f"{below}class B(First, base.Mixin): ...\n"
    assert CLASSES_ABOVE == 2
    assert class_complaints(tmp_path, base=base, below=two) == []
    (complaint,) = class_complaints(tmp_path, base=base, below=f"{two}class C(B): ...\n")
    assert "sklearn_ebm.below.C has 3 of our classes above it (A, B, Mixin)" in complaint


OVERRIDES = {
    "the same": ("f(self, x, y=0, *, z)", "f(self, x, y=0, *, z)"),
    "optional, at the end": ("f(self, x)", "f(self, x, y=0, *args, z=None, **options)"),
    "constructor": ("__init__(self, x)", "__init__(self)"),
}
CHANGES = {
    "other name": ("f(self, x)", "f(self, y)"),
    "other order": ("f(self, x, y)", "f(self, y, x)"),
    "other default": ("f(self, x=0)", "f(self, x=1)"),
    "required": ("f(self, x)", "f(self, x, y)"),
    "required keyword": ("f(self, x)", "f(self, x, *, y)"),
    "not at the end": ("f(self, x)", "f(self, y=0, x=0)"),
    "left out": ("f(self, x, y=0)", "f(self, x)"),
    "keyword only": ("f(self, x, y=0)", "f(self, x, *, y=0)"),
    "no stars": ("f(self, *args)", "f(self)"),
}


@pytest.mark.parametrize(("above", "below"), OVERRIDES.values(), ids=OVERRIDES)
def test_class_check_allows_overrides_with_optional_parameters_at_the_end(tmp_path, above, below):
    text = f"class A:\n{body(above)}class B(A):\n{body(below)}"
    assert class_complaints(tmp_path, model=text) == []


@pytest.mark.parametrize(("above", "below"), CHANGES.values(), ids=CHANGES)
def test_class_check_sees_changed_signatures(tmp_path, above, below):
    text = f"class A:\n{body(above)}class B(A): ...\nclass C(B):\n{body(below)}"
    (complaint,) = class_complaints(tmp_path, model=text)
    assert "sklearn_ebm.model.C.f: method" in complaint


@pytest.mark.parametrize("below", ["f = None", "def f(self): ...", "def g(self): self.f = 0"])
def test_class_check_sees_what_replaces_a_property(tmp_path, below):
    above = "class A:\n    @property\n    def f(self): ...\n"
    text = f"{above}class B(A):\n    {below}\n"
    (complaint,) = class_complaints(tmp_path, model=text)
    assert "property in A, but" in complaint


def test_class_check_lets_a_setter_be_used(tmp_path):
    above = (
        "class A:\n    @property\n    def f(self): ...\n    @f.setter\n    def f(self, x): ...\n"
    )
    text = f"{above}class B(A):\n    def g(self): self.f = 0\n"
    assert class_complaints(tmp_path, model=text) == []


def test_class_check_sees_one_base_hide_another(tmp_path):
    """B and C agree with A separately, but D uses B's method where C's is expected."""
    bases = f"class A: ...\nclass B(A):\n{body('f(self, x)')}class C(A):\n{body('f(self, y)')}"
    text = f"{bases}class D(B, C): ...\nclass E(D): ...\n"
    found = class_complaints(tmp_path, model=text)
    (complaint,) = [each for each in found if "classes above" not in each]
    assert "sklearn_ebm.model.D.f: method(y) in C, but method(x) in B" in complaint


def test_class_check_rejects_known_violations_that_are_gone(tmp_path):
    text = f"class A:\n{body('f(self, x)')}class B(A):\n"
    entry = "signature sklearn_ebm.model.B.f of A"
    assert class_complaints(tmp_path, known=[entry], model=text + body("f(self)")) == []
    (complaint,) = class_complaints(tmp_path, known=[entry], model=text + body("f(self, x)"))
    assert "remove it" in complaint


@pytest.mark.parametrize("folder", ["speed", "papers"])
def test_every_benchmark_is_run(folder):
    """The runner is only parsed, since importing a benchmark limits this process."""
    benchmarks = Path(__file__).resolve().parents[1] / "benchmarks"
    trees = {path.stem: ast.parse(path.read_text()) for path in benchmarks.glob(f"{folder}/*.py")}
    programs = {name for name, tree in trees.items() if "main" in _functions(tree)}
    runner = ast.parse((benchmarks / "run.py").read_text())
    listed = {
        ast.unparse(each.targets[0]): each.value
        for each in runner.body
        if isinstance(each, ast.Assign)
    }
    assert set(ast.literal_eval(listed[folder.upper()])) == programs


def _functions(tree):
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_covering_cases_show_every_pair_of_values():
    """Of 3 x 3 x 2 cases, 9 are sufficient, and necessary for the first two parameters."""
    grid = {case: case for case in product("abc", "def", "gh")}
    chosen = covering(grid)
    assert len(chosen) == 9
    assert {pair for case in chosen for pair in _pairs(case)} == {
        pair for case in grid for pair in _pairs(case)
    }


def _pairs(case):
    return combinations(enumerate(case), 2)


def test_only_cases_that_are_there_are_chosen_and_a_single_parameter_is_complete():
    grid = {"a": (0, 0), "b": (0, 1), "c": (1, 1)}
    assert covering(grid) == ["a", "b", "c"]
    assert covering(grid, strength=1) == ["a", "c"]
    assert covering({"a": (0,), "b": (1,), "again": (1,)}) == ["a", "b"]


TRACKED = ["sklearn_ebm/a.py", "tests/registries/b.py", "benchmarks/results/c.png"]
SDIST = [*TRACKED[:2], "PKG-INFO", "sklearn_ebm.egg-info/SOURCES.txt"]
WHEEL = ["sklearn_ebm/a.py", "sklearn_ebm-0.1.0.dist-info/METADATA"]


@pytest.mark.parametrize(
    ("sdist", "wheel", "complaint"),
    [
        (SDIST, WHEEL, None),
        (["sklearn_ebm/a.py"], WHEEL, "The sdist lacks tests/registries/b.py"),
        ([*SDIST, "dist/old.whl"], WHEEL, "The sdist must not contain dist/old.whl"),
        ([*SDIST, TRACKED[2]], WHEEL, "The sdist must not contain benchmarks/results/c.png"),
        (SDIST, [], "The wheel lacks sklearn_ebm/a.py"),
        (SDIST, [*WHEEL, "tests/b.py"], "The wheel must not contain tests/b.py"),
    ],
)
def test_distribution_check_names_files_that_are_missing_or_too_many(sdist, wheel, complaint):
    assert list(dist_complaints(TRACKED, sdist, wheel)) == ([complaint] if complaint else [])


def test_lowest_versions_are_the_lower_bounds():
    extras = {"plot": ["matplotlib>=3.9"], "demo": ["ours[plot]", "rich >= 13.7"], "test": ["x"]}
    project = {"name": "ours", "dependencies": ["numpy>=2.0"], "optional-dependencies": extras}
    assert constraints(project) == ["numpy==2.0", "matplotlib==3.9", "rich==13.7"]
    for text in ("numpy", "numpy<3", "numpy>=2,<3"):
        with pytest.raises(ValueError, match="must have the form name>=version"):
            constraints({**project, "dependencies": [text]})


def test_a_preview_of_changes_replaces_the_former_one_only():
    released = f"# Changes\n\n{START}\n\n{END}\n\n## 0.0.1\n"
    first = with_preview(released, "## 0.1.0\n\n- one\n")
    assert first.index(START) < first.index("- one") < first.index(END) < first.index("## 0.0.1")
    assert "- one" not in with_preview(first, "- two")
    assert with_preview(first, "") == released
