"""Validate the docstrings of everything public by numpydoc: `python tools/check_docstrings.py`.

numpydoc's own command goes by underscores instead of documented names, and would ask the same of
every helper. The checks are listed in pyproject.toml.
"""

import sys
import tomllib
from pathlib import Path

from numpydoc.validate import validate
from public_names import PACKAGE, public_names

ROOT = Path(__file__).resolve().parents[1]
FOR_CLASSES = ("EX01",)  # estimators, layers and displays each show one runnable example


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
