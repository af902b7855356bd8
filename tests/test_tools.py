"""The repository's own tools: nobody would notice a check that is always green."""

import os

from check_size import BODY_LINES, MODULE_LINES, too_long
from numba_cache import SECONDS_KEPT, open_cache, source_hash


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


def sources(root, **modules):
    """Write a package of the given modules."""
    package = root / "sklearn_ebm"
    package.mkdir(exist_ok=True)
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    return root


def test_source_hash_follows_every_edit_and_every_name(tmp_path):
    hashes = [
        source_hash(sources(tmp_path, kernel="value = 1")),
        source_hash(sources(tmp_path, kernel="value = 2")),
        source_hash(sources(tmp_path, empty="")),
    ]
    (tmp_path / "sklearn_ebm" / "empty.py").rename(tmp_path / "sklearn_ebm" / "renamed.py")
    hashes.append(source_hash(tmp_path))
    assert len(set(hashes)) == 4
    sources(tmp_path, kernel="value = 2")  # touched, not changed
    assert source_hash(tmp_path) == hashes[-1]


def test_open_cache_drops_only_what_is_long_out_of_use(tmp_path):
    caches = tmp_path / "caches"
    root = sources(tmp_path, kernel="value = 1")
    first = open_cache(caches, root)
    second = open_cache(caches, sources(root, kernel="value = 2"))
    assert first.is_dir()
    assert second.is_dir()
    long_ago = first.stat().st_mtime - SECONDS_KEPT - 60
    os.utime(first, (long_ago, long_ago))
    os.utime(second, (long_ago, long_ago))
    assert open_cache(caches, root) == second  # old as well, but in use now
    assert not first.exists()
    assert second.is_dir()
