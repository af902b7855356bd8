"""Warnings that point at the line of the user's code, and numbers in their messages."""

import contextlib
import os
import sys
import warnings

import joblib
import sklearn

PACKAGES = tuple(
    os.path.join(os.path.dirname(path), "")
    for path in (__file__, sklearn.__file__, joblib.__file__)
)

MAX_DIGITS = 17  # after the point; they represent each float64 exactly


def warn(message, category):
    """Issue a warning for the first caller outside this package, scikit-learn and joblib."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_internal(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def distinct(value, limit):
    """Return two numbers as text, with as many digits as are needed to tell them apart."""
    n_digits = next((n for n in range(1, MAX_DIGITS) if f"{value:.{n}e}" != f"{limit:.{n}e}"), 1)
    return f"{value:.{n_digits}e}", f"{limit:.{n_digits}e}"


def _is_internal(path):
    return path.startswith(PACKAGES) or path == contextlib.__file__
