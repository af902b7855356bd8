"""A compiled torch FISTA, without restart."""

from benchopt import BaseSolver

from benchmarks.speed.torch_fista import TorchFista


class Solver(BaseSolver):
    """Plain FISTA; every sample makes all steps."""

    name = "torch FISTA"
    sampling_strategy = "iteration"
    requirements = ["pip::torch"]

    def set_objective(self, X, dictionary, alpha):
        self.fista = TorchFista(X, dictionary, alpha)
        self.fista(3)  # compiles

    def run(self, n_iter):
        self.code = self.fista(n_iter).numpy()

    def get_result(self):
        return {"code": self.code}
