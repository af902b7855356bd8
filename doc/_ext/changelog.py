"""Changelog of the site: news that no release contains yet, followed by `CHANGES.md`."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "build" / "changelog.md"


def unreleased():
    """Return the fragments of `changes/`, by the types that pyproject.toml lists."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        types = tomllib.load(file)["tool"]["towncrier"]["type"]
    lines = []
    for kind in types:
        fragments = sorted((ROOT / "changes").glob(f"*.{kind['directory']}.md"))
        if fragments:
            news = ["- " + " ".join(path.read_text("utf-8").split()) for path in fragments]
            lines += [f"### {kind['name']}", "", *news, ""]
    return ["## Not yet released", "", *lines] if lines else []


def released():
    """Return the lines of `CHANGES.md` below its title."""
    path = ROOT / "CHANGES.md"
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return [line for line in lines if not line.startswith("# ")]


def write(app):
    """Write the page, which `changes.rst` includes."""
    PAGE.parent.mkdir(exist_ok=True)
    lines = ["# Changelog", "", *unreleased(), *released(), ""]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def setup(app):
    """Write the page before Sphinx reads the others."""
    app.connect("builder-inited", write, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
