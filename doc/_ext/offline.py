"""Resources of the site that must not depend on a network: MathJax and inventories of objects."""

import shutil
import zlib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INVENTORIES = ROOT / "doc" / "inventories"
BUILT = ROOT / "build" / "inventories"
PACKAGE = find_spec("sphinx-mathjax-offline")  # a wheel that contains MathJax and its fonts
CDN = "https://cdn.jsdelivr.net/npm/mathjax@3/es5/tex-chtml.js"
MATHJAX = "mathjax/tex-chtml.js" if PACKAGE else CDN
PARTS = ["tex-chtml.js", "output/chtml/fonts"]


def mapping(**sites):
    """Return the sites for intersphinx, each with the inventory that replaces it offline."""
    return {name: (url, (None, compile_inventory(name))) for name, url in sites.items()}


def compile_inventory(name):
    """Write the listed objects in the format of Sphinx; return the path.

    Each line has the name of an object, its type and its place on the site, where $ is the name.
    """
    title, *objects = (INVENTORIES / f"{name}.txt").read_text("utf-8").splitlines()
    _, project, version = title.split()
    header = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: {version}\n"
    header += "# The remainder of this file is compressed using zlib.\n"
    rows = [" ".join([*line.split()[:2], "1", line.split()[2], "-"]) for line in objects]
    path = BUILT / f"{name}.inv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + zlib.compress("\n".join([*rows, ""]).encode()))
    return str(path)


def copy_mathjax(app, error):
    """Copy the parts of MathJax that pages load, about 2 of 24 MB."""
    if error or not PACKAGE or app.builder.format != "html":
        return
    source = Path(PACKAGE.submodule_search_locations[0]) / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            shutil.copy(source / part, target / part)


def setup(app):
    """Copy MathJax when the pages have been written."""
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
