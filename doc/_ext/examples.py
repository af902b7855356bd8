"""Examples of the gallery: their order, and which of them can run on this machine."""

import os
import re
import shutil
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

from sklearn_ebm.datasets import fetch_mnist

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "build" / "examples"  # copies, because examples write files beside themselves
SECTIONS = ["features", "images", "densities", "labels"]  # after the examples outside of folders


def section_order():
    """Return the order of the folders, whose names are relative to that of the configuration."""
    folder = os.path.relpath(EXAMPLES, ROOT / "doc")
    return ExplicitOrder([f"{folder}/{name}" for name in SECTIONS])


def has_mnist():
    """Return whether MNIST can be read without a download."""
    try:
        fetch_mnist(download_if_missing=False)
    except OSError:
        return False
    return True


def has_heartbeats():
    """Return whether the electrocardiogram can be read without a download."""
    return (Path(os.environ.get("SKLEARN_EBM_DATA", ".")) / "ecg.dat").is_file()


# An example that contains the call needs the data.
DATA = {"fetch_mnist()": has_mnist, "electrocardiogram()": has_heartbeats}


def runnable_examples():
    """Return a pattern of the examples whose data are on this machine; the others are not run."""
    missing = [call for call, is_there in DATA.items() if not is_there()]
    lacking = [
        re.escape(path.name.removeprefix("plot_"))
        for path in sorted((ROOT / "examples").rglob("plot_*.py"))
        if any(call in path.read_text("utf-8") for call in missing)
    ]
    return f"plot_(?!{'|'.join(lacking)})" if lacking else "plot_"


def copy_examples(app):
    """Copy the examples to a folder in which they may write."""
    shutil.rmtree(EXAMPLES, ignore_errors=True)
    shutil.copytree(ROOT / "examples", EXAMPLES)


def setup(app):
    """Copy the examples before the gallery reads them."""
    app.connect("builder-inited", copy_examples, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
