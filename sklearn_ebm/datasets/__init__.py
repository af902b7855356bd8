"""Patches of images, and data sets for examples, benchmarks and papers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the imports of _HOMES, for type checkers
    from sklearn_ebm.datasets._fetch import fetch_mnist as fetch_mnist
    from sklearn_ebm.datasets._moving import sample_moving_patches as sample_moving_patches
    from sklearn_ebm.datasets._natural import load_natural_images as load_natural_images
    from sklearn_ebm.datasets._natural import load_natural_patches as load_natural_patches
    from sklearn_ebm.datasets._patches import normalize_patches as normalize_patches
    from sklearn_ebm.datasets._patches import sample_patches as sample_patches
    from sklearn_ebm.datasets._transformed import (
        sample_transformed_patches as sample_transformed_patches,
    )

_HOMES = {
    "fetch_mnist": "_fetch",
    "load_natural_images": "_natural",
    "load_natural_patches": "_natural",
    "normalize_patches": "_patches",
    "sample_moving_patches": "_moving",
    "sample_patches": "_patches",
    "sample_transformed_patches": "_transformed",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
