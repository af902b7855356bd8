"""Kernels that a wheel brings along, compiled for a level of processors instead of one machine.

Each folder in `compiled` is a cache as `_kernel_cache` writes it. Its name is the processor that
LLVM compiled for. A kernel that is missing there is compiled by Numba on its first call.
"""

import functools
from pathlib import Path
from typing import NamedTuple

from llvmlite.binding import get_host_cpu_features
from numba.core import config

COMPILED = Path(__file__).with_name("compiled")


class Level(NamedTuple):
    """A level of processors.

    Parameters
    ----------
    cpu : str
        LLVM's name of the level, for `NUMBA_CPU_NAME`.
    features : str
        Features that kernels query while they compile, for `NUMBA_CPU_FEATURES`.
    required : frozenset of str
        LLVM's names of features that a processor of this level has.
    """

    cpu: str
    features: str
    required: frozenset


# Levels of the x86-64 psABI, the best first.
V3 = frozenset("avx avx2 bmi bmi2 f16c fma lzcnt movbe popcnt sse4.2".split())
V4 = V3 | frozenset("avx512f avx512bw avx512cd avx512dq avx512vl".split())
LEVELS = (Level("x86-64-v4", "+avx512f", V4), Level("x86-64-v3", "+avx2", V3))


@functools.cache
def shipped_levels():
    """Return the levels whose kernels are there and run on this processor, the best first.

    `NUMBA_CPU_NAME` asks for code of another kind, so there are none if it is set.
    """
    there = [level for level in LEVELS if (COMPILED / level.cpu).is_dir()]
    return [level for level in there if runs_here(level)] if config.CPU_NAME is None else []


def runs_here(level):
    """Return whether this processor runs code of a level."""
    return level.required <= {name for name, has in get_host_cpu_features().items() if has}
