"""Categorical units, by the reference on the device."""

import functools

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy._random import uniform

categorical_sample = functools.partial(reference.categorical_sample, uniform=uniform)
