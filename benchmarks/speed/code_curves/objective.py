"""Mean relative suboptimality of sparse codes, relative to exact codes in float64."""

import numpy as np
from benchopt import BaseObjective

from benchmarks import _common


class Objective(BaseObjective):
    """Mean over samples of the relative excess of 1/2 ||x - zD||^2 + alpha ||z||_1."""

    name = "Sparse codes"
    min_benchopt_version = "1.6"

    def set_data(self, X, dictionary, alpha):
        self.X, self.dictionary, self.alpha = X, dictionary, alpha
        self.optimum = _common.optimal_energy(X, dictionary, alpha)

    def get_objective(self):
        return {"X": self.X, "dictionary": self.dictionary, "alpha": self.alpha}

    def evaluate_result(self, code):
        excess = _common.energy(self.X, code, self.dictionary, self.alpha) / self.optimum - 1
        return {"value": float(excess.mean())}

    def get_one_result(self):
        return {"code": np.zeros((len(self.X), len(self.dictionary)), dtype=self.X.dtype)}
