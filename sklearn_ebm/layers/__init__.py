"""Layers between models: rectification, contrast normalisation, pooling, whitening and dropout."""

from importlib import import_module

_HOMES = {
    "Dropout": "_dropout",
    "Flattener": "_flattener",
    "LocalContrastNormalizer": "_contrast",
    "Pooler": "_pooling",
    "Rectifier": "_rectifier",
    "ZCAWhitener": "_whitening",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
