"""Displays of fitted models, and measures of filters.

The displays require matplotlib: `pip install "sklearn-ebm[plot]"`.
"""

from importlib import import_module

_HOMES = {
    "CodeDisplay": "_code",
    "CodeErrorDisplay": "_code_error",
    "DictionaryDisplay": "_dictionary",
    "GaborFit": "_gabor",
    "MapDisplay": "_maps",
    "ObjectiveDisplay": "_objective",
    "ReconstructionDisplay": "_reconstruction",
    "SampleDisplay": "_samples",
    "TopographicMapDisplay": "_topographic_map",
    "fit_gabor": "_gabor",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
