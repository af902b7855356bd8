"""sparse_encode with each of its solvers."""

from benchopt import BaseSolver
from benchopt.stopping_criterion import SufficientProgressCriterion

from benchmarks._common import encode


class Solver(BaseSolver):
    """Stopped by the duality gap, as by users; each tolerance is one point."""

    name = "ours"
    sampling_strategy = "tolerance"
    parameters = {"solver": ["auto", "cd", "fista", "ista"]}
    stopping_criterion = SufficientProgressCriterion(strategy="tolerance", patience=6)

    def set_objective(self, X, dictionary, alpha):
        self.problem = X, dictionary, alpha

    def warm_up(self):
        self.run(1e-1)  # compiles kernels or loads them from the cache

    def run(self, tolerance):
        # The smallest gap that float32 certifies, which limits the iterations of ISTA.
        tolerance = min(max(tolerance, 1e-6), 1.0)
        self.code = encode(
            *self.problem, solver=self.solver, tol=tolerance, max_iter=3_000, warn=False
        )

    def get_result(self):
        return {"code": self.code}
