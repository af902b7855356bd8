"""Layers between models: rectification, contrast normalisation, pooling, whitening and dropout."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the imports of _HOMES, for type checkers
    from sklearn_ebm.layers._contrast import LocalContrastNormalizer as LocalContrastNormalizer
    from sklearn_ebm.layers._dropout import Dropout as Dropout
    from sklearn_ebm.layers._flattener import Flattener as Flattener
    from sklearn_ebm.layers._pooling import Pooler as Pooler
    from sklearn_ebm.layers._rectifier import Rectifier as Rectifier
    from sklearn_ebm.layers._whitening import ZCAWhitener as ZCAWhitener

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
