"""The solver contract: functions that minimise inference problems."""

from typing import Any, Protocol


class Solver(Protocol):
    """A function that minimises a batch of inference problems, one per row of `code`.

    A solver is registered with the capabilities that it `requires` of the problem or of its penalty
    (`sklearn_ebm.solvers.SOLVERS`): ``gram``, ``rule``, ``group_rule``, ``inhibition_rule``,
    ``tangent``, ``convex``, ``as_local_lasso``, ``in_fourier_domain``. If one is missing,
    `solve_lasso` raises a ValueError that names it and a solver that works. A solver never checks
    its input.

    Accuracy is measured relative to 1/2 ||x||^2, in one of two ways. If the penalty offers
    `dual_norm` or `conjugate`, the measure is the duality gap, a certified bound. Otherwise it is
    the decrease of the energy as defined in `sklearn_ebm.solvers._proximal`, which is not
    a certificate. A solver that is registered with a `criterion` has its own measure.
    `Solution.criterion` records the choice.
    """

    def __call__(
        self, problem: Any, code: Any, warm: bool, tol: float, max_iter: int, backend: Any
    ) -> tuple[Any, int]:
        """Replace `code` by the solution; return the measure of each row and the iterations.

        Parameters
        ----------
        problem : InferenceProblem
            Offers `correlation`, `half_norm`, `product`, `lipschitz`, `energy` and `penalty`.
        code : array of shape (n_samples, n_components)
            Receives the result. It is the start if `warm` is True; otherwise it may be undefined.
        warm : bool
            Whether `code` contains a feasible start.
        tol : float
            Value of the measure below which a row has converged.
        max_iter : int
            Maximum number of iterations.
        backend : module
            Module of kernels.

        Returns
        -------
        measure : array of shape (n_samples,)
            Duality gap or decrease, relative to 1/2 ||x||^2.
        n_iter : int
            Iterations of the slowest row.
        """
        ...
