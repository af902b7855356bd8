"""One step of Gibbs sampling: the library's products and a fused draw for each layer."""

import functools

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy._bernoulli import bernoulli_sample

gibbs_step = functools.partial(reference.gibbs_step, bernoulli_sample=bernoulli_sample)
