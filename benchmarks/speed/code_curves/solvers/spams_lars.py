"""SPAMS's LARS: a single point, since its path cannot be stopped early."""

from benchopt import BaseSolver

from benchmarks import _common


class Solver(BaseSolver):
    """spams.lasso, mode 2."""

    name = "SPAMS LARS"
    sampling_strategy = "run_once"
    requirements = ["pip::spams-bin"]

    def set_objective(self, X, dictionary, alpha):
        self.problem = X, dictionary, alpha

    def run(self, _):
        self.code = _common.spams_lasso(*self.problem)

    def get_result(self):
        return {"code": _common.dense(self.code, len(self.problem[0]))}
