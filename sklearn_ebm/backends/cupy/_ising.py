"""A sweep over binary units, whose numbers a fused kernel draws."""

import functools

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy._random import uniform

ising_sweep = functools.partial(reference.ising_sweep, uniform=uniform)
