"""Displays of fitted models, and measures of filters.

The displays require matplotlib: `pip install "sklearn-ebm[plot]"`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the imports of _HOMES, for type checkers
    from sklearn_ebm.inspection._code import CodeDisplay as CodeDisplay
    from sklearn_ebm.inspection._code_error import CodeErrorDisplay as CodeErrorDisplay
    from sklearn_ebm.inspection._dictionary import DictionaryDisplay as DictionaryDisplay
    from sklearn_ebm.inspection._energy import EnergyDisplay as EnergyDisplay
    from sklearn_ebm.inspection._gabor import GaborFit as GaborFit
    from sklearn_ebm.inspection._gabor import fit_gabor as fit_gabor
    from sklearn_ebm.inspection._maps import MapDisplay as MapDisplay
    from sklearn_ebm.inspection._objective import ObjectiveDisplay as ObjectiveDisplay
    from sklearn_ebm.inspection._orientation_map import (
        OrientationMapDisplay as OrientationMapDisplay,
    )
    from sklearn_ebm.inspection._reconstruction import (
        ReconstructionDisplay as ReconstructionDisplay,
    )
    from sklearn_ebm.inspection._samples import SampleDisplay as SampleDisplay
    from sklearn_ebm.inspection._topographic_map import (
        TopographicMapDisplay as TopographicMapDisplay,
    )
    from sklearn_ebm.inspection._tree import TreeDisplay as TreeDisplay
    from sklearn_ebm.inspection._units import PrototypeDisplay as PrototypeDisplay
    from sklearn_ebm.inspection._units import UnitDisplay as UnitDisplay
    from sklearn_ebm.inspection._what_where import WhatWhereDisplay as WhatWhereDisplay

_HOMES = {
    "CodeDisplay": "_code",
    "CodeErrorDisplay": "_code_error",
    "DictionaryDisplay": "_dictionary",
    "EnergyDisplay": "_energy",
    "GaborFit": "_gabor",
    "MapDisplay": "_maps",
    "ObjectiveDisplay": "_objective",
    "OrientationMapDisplay": "_orientation_map",
    "PrototypeDisplay": "_units",
    "ReconstructionDisplay": "_reconstruction",
    "SampleDisplay": "_samples",
    "TopographicMapDisplay": "_topographic_map",
    "TreeDisplay": "_tree",
    "UnitDisplay": "_units",
    "WhatWhereDisplay": "_what_where",
    "fit_gabor": "_gabor",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return __all__
