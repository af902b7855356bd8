"""Sphinx configuration: `make doc`. The build needs no network and no data set."""

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
os.environ.setdefault("MPLBACKEND", "Agg")  # neither a window nor a display is needed

import offline

import sklearn_ebm
from examples import EXAMPLES, runnable_examples, section_order

project = "sklearn_ebm"
author = copyright = "the sklearn_ebm developers"
release = version = sklearn_ebm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "examples",
    "offline",
]
templates_path = ["_templates"]
exclude_patterns = ["_templates", "auto_examples/**/GALLERY_HEADER.rst"]
source_suffix = {".rst": "restructuredtext"}  # Markdown is included, never a page of its own
default_role = "literal"  # single backquotes, as in docstrings
nitpicky = False

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_ebm {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = LOGO = "_static/logo.svg"
html_show_sourcelink = False
html_sidebars = {"install": [], "papers": [], "performance": [], "citing": [], "changes": []}
html_theme_options = {
    "logo": {"text": "sklearn_ebm", "image_light": LOGO, "image_dark": LOGO},
    "navbar_start": ["navbar-logo", "site-version"],
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "show_nav_level": 1,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "back_to_top_button": True,
}

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings describe types
numpydoc_show_class_members = False  # the template of a class lists them
numpydoc_class_members_toctree = False

# Copied code leaves out prompts and output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

mathjax_path = offline.MATHJAX
intersphinx_timeout = 5
intersphinx_mapping = offline.mapping(
    python="https://docs.python.org/3/",
    numpy="https://numpy.org/doc/stable/",
    scipy="https://docs.scipy.org/doc/scipy/",
    sklearn="https://scikit-learn.org/stable/",
    matplotlib="https://matplotlib.org/stable/",
)

# Figures of the guide are drawn by the code beside them.
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 110)]

sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "auto_examples",
    "filename_pattern": runnable_examples(),
    "subsection_order": section_order(),
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("sklearn_ebm",),
    "reference_url": {"sklearn_ebm": None},
    "default_thumb_file": str(Path(__file__).parent / "_static" / "thumbnails" / "default.png"),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
    "thumbnail_size": (400, 280),
}


def escape(app, what, name, obj, options, lines):
    """Escape names and formulas in docstrings that reStructuredText would misread.

    ||z||_1 would be a substitution, and shapes (n_iter_,) and (n_iter_ + 1,) references. Methods
    inherited from scikit-learn refer to labels of its own guide; only the words are kept.
    """
    literal = None  # indentation of the line before a literal block
    for number, line in enumerate(lines):
        indentation = len(line) - len(line.lstrip())
        if line.strip() and literal is not None and indentation <= literal:
            literal = None
        lines[number] = line = re.sub(r":ref:`([^<`]+) <[^>`]+>`", r"\1", line)
        if literal is None and ">>>" not in line and "`" not in line:
            line = line.replace("|", r"\|")
            lines[number] = re.sub(r"(?<=\w)_(?=[,)]| \+)", r"\_", line)
        if line.endswith("::"):
            literal = indentation


def setup(app):
    """Connect the function above, before numpydoc reads docstrings."""
    app.connect("autodoc-process-docstring", escape, priority=100)
