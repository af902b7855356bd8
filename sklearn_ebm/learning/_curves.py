"""What learning looked like: sums over the batches of a pass, and one entry a pass."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklearn_ebm.backends import array_namespace


@dataclass
class Curves:
    """What learning looked like, one entry a pass."""

    objective: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    sparsity: list = field(default_factory=list)
    usage: Any = None
    unconverged: float = 0.0  # share of the last pass's codes that inference left above its tol
    n_codes: int = 0
    n_late: int = 0

    def count(self, n_codes, n_late):
        """Take in how many codes were inferred, and how many of them are above their tol."""
        self.n_codes += n_codes
        self.n_late += n_late

    def end_pass(self, usage):
        """What is known at the end of a pass."""
        self.usage = usage
        self.unconverged = self.n_late / max(1, self.n_codes)
        self.n_codes = self.n_late = 0


@dataclass
class Tally:
    """Sums over the batches of one pass."""

    objective: float = 0.0
    weight: float = 0.0
    n_samples: int = 0
    used: Any = 0

    def add(self, objective, code, sample_weight):
        """Count one batch."""
        xp = array_namespace(code)
        weights = xp.ones_like(objective) if sample_weight is None else sample_weight
        self.objective += float(xp.sum(objective * weights))
        self.weight += float(xp.sum(weights))
        self.n_samples += code.shape[0]
        used = xp.count_nonzero(code, axis=0)
        self.used = self.used + xp.asarray(used, dtype=xp.float64)  # exact up to 2**53 samples

    @property
    def mean_objective(self):
        """Mean objective of a sample."""
        return self.objective / max(self.weight, np.finfo(float).tiny)

    @property
    def usage(self):
        """Share of the samples that use each component."""
        return self.used / max(1, self.n_samples)
