"""How Sphinx builds the documentation: `make doc`. Nothing is fetched from anywhere."""

import os
import re
import shutil
from pathlib import Path

import sklearn_ebm
from sklearn_ebm.datasets import fetch_mnist

os.environ.setdefault("MPLBACKEND", "Agg")  # no window, no display needed

project = "sklearn_ebm"
copyright = "the sklearn_ebm developers"
release = version = sklearn_ebm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_templates", "sg_execution_times.rst"]
default_role = "literal"  # single backquotes, as docstrings have them
html_theme = "alabaster"
html_theme_options = {
    "description": "Energy-based feature learning as scikit-learn estimators",
    "page_width": "1200px",
    "body_max_width": "930px",
    "sidebar_width": "240px",
    "code_font_size": "0.8em",  # 100 characters to a line
    "fixed_sidebar": True,
}
html_show_sourcelink = False

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings describe types
numpydoc_show_class_members = False  # the template of a class lists them
numpydoc_class_members_toctree = False

# Pictures in the guide: drawn by the code beside them.
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 80)]

# Examples write files where they stand, so they run on copies.
ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "build" / "examples"


def _has_mnist():
    try:
        fetch_mnist(download_if_missing=False)
    except OSError:
        return False
    return True


def _has_heartbeats():
    return (Path(os.environ.get("SKLEARN_EBM_DATA", ".")) / "ecg.dat").is_file()


# An example that does not match is shown, and not run.
LACKING = [
    name
    for name, is_there in [("mnist", _has_mnist()), ("heartbeat", _has_heartbeats())]
    if not is_there
]
sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "auto_examples",
    "filename_pattern": f"plot_(?!{'|'.join(LACKING)})" if LACKING else "plot_",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
}


def copy_examples(app):
    """Copy the examples to where they may write."""
    shutil.copytree(ROOT / "examples", EXAMPLES, dirs_exist_ok=True)


def escape(app, what, name, obj, options, lines):
    """Escape what docstrings mean as mathematics and names, and reStructuredText does not.

    ||z||_1 would be a substitution there, and shapes (n_iter_,) and (n_iter_ + 1,) references.
    Those of methods from scikit-learn name labels of its own guide, of which the words are left.
    """
    for number, line in enumerate(lines):
        lines[number] = line = re.sub(r":ref:`([^<`]+) <[^>`]+>`", r"\1", line)
        if ">>>" not in line and "`" not in line:
            line = line.replace("|", r"\|")
            lines[number] = re.sub(r"(?<=\w)_(?=[,)]| \+)", r"\_", line)


def setup(app):
    """Connect the two functions above."""
    app.connect("builder-inited", copy_examples, priority=100)  # before the gallery reads them
    app.connect("autodoc-process-docstring", escape, priority=100)  # before numpydoc does
