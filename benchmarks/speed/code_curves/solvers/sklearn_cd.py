"""scikit-learn's coordinate descent."""

import warnings

import numpy as np
from benchopt import BaseSolver
from sklearn.linear_model import Lasso


class Solver(BaseSolver):
    """The solver of sparse_encode(algorithm="lasso_cd"), with its tolerance as a parameter."""

    name = "scikit-learn CD"
    sampling_strategy = "tolerance"

    def set_objective(self, X, dictionary, alpha):
        self.data = np.asfortranarray(X.T)
        self.atoms = np.asfortranarray(dictionary.T)
        self.gram = dictionary @ dictionary.T
        self.alpha = alpha / X.shape[1]

    def run(self, tolerance):
        lasso = Lasso(
            alpha=self.alpha,
            fit_intercept=False,
            precompute=self.gram,
            tol=min(max(tolerance, 1e-6), 1.0),
            max_iter=1000,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.code = lasso.fit(self.atoms, self.data, check_input=False).coef_

    def get_result(self):
        return {"code": self.code}
