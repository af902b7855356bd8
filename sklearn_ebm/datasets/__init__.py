"""Patches of images, and data sets for examples, benchmarks and papers."""

from importlib import import_module

_HOMES = {
    "fetch_mnist": "_fetch",
    "load_natural_images": "_natural",
    "load_natural_patches": "_natural",
    "normalize_patches": "_patches",
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
