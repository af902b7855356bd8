"""The penalty contract: what users pass as `penalty`, and the factor that a solver receives."""

from typing import Any, Protocol


class Penalty(Protocol):
    """A penalty P(z) on the code of one sample, without its weight alpha.

    Any object with `value` and `prox` is a penalty, and every sparse model accepts it. Methods
    receive one code per row and treat rows independently. In a convolutional model a row holds the
    components of all maps at one position. Methods must not modify their arguments. P must be
    non-negative and zero at z = 0. It may be infinite for codes that a constraint excludes. Models
    share penalties, so a penalty must not change after it was passed to one; the package's own
    penalties are immutable.

    `prox` may be missing if there is a `majorant` (see `PenaltyFactor`). These attributes are
    optional:

    - ``convex`` (bool, default True): if False, codes are inferred by plain proximal steps (ISTA),
      which never increase the energy.
    - ``separable`` (bool, default False): P is a sum over single components. A separable, convex
      penalty supports ``positive=True``.
    - ``degree`` (number, default 1): P(c z) = c^degree P(z) for c > 0. ``alpha="scale"`` is the
      root mean square of the data to the power 2 - degree, so that codes are proportional to the
      scale of the data. If there is no such degree, users must set alpha to a number; with None,
      ``alpha="scale"`` raises an error.
    - ``gradient(code)``: a subgradient, in the shape of the code. ``LISTAEncoder(loss="energy")``
      requires it.
    - ``dual_norm(correlation)``: for a norm P, max_z q z' / P(z) of each row q. Inference then
      stops on the duality gap.
    - ``conjugate(correlation)``: for any other convex P, max_z q z' - P(z) of each row q, possibly
      infinite. Inference then stops on the duality gap, too.
    - ``get_params()``: lets ``penalty__name`` be set and searched on a model.
    - ``resolve(n_components, alpha, positive)``: replaces `value` and `prox`. It checks the
      parameters, raises ValueError if they are not compatible with the number of components, and
      returns a `PenaltyFactor`.

    Without `dual_norm` and `conjugate`, inference stops on the relative decrease of the energy
    (see `sklearn_ebm.solvers._proximal`), and no duality gap is reported.
    """

    def value(self, code: Any) -> Any:
        """Return P of each row, shape (n_samples,), in the dtype of the code."""
        ...

    def prox(self, code: Any, step_size: float) -> Any:
        """Return argmin_z 1/2 ||z - code||^2 + step_size P(z) of each row.

        A step size of zero returns the closest point of the domain of P.
        """
        ...


class PenaltyFactor(Protocol):
    """A penalty resolved for a number of components: alpha P(z), with its constraints.

    Compiled kernels require alpha inside the factor: one number per threshold instead of two. A
    factor has `value`, and `prox` or `majorant`. It offers the optional attributes of `Penalty`
    (``convex``, ``separable``, ``gradient``, ``conjugate``; ``dual_norm`` as below), and may offer:

    - ``name`` (str): name of the penalty in error messages; the default is the name of the class.
    - ``dual_norm(correlation, code, eta)``: the dual norm of q over alpha, or an upper bound.
      `code` has the residual correlation q, and `eta` is the second result of `settled`, or
      None.
    - ``dual_norm_of_ones`` (float): an upper bound of the dual norm of ones, if it is cheaper than
      `dual_norm`. It bounds rounding errors.
    - ``rule(step_size, dtype)``: the proximal operator of single entries as plain numbers for
      fused kernels (see `sklearn_ebm.backends._rules`).
    - ``group_rule(like)``: the same for disjoint groups.
    - ``inhibition_rule(like)``: the strengths of lateral inhibition (see
      `sklearn_ebm.backends._inhibition`).
    - ``learned`` (array): parameters that the model learns, such as the strengths of inhibition.
      ``moment(code, weight)`` returns sums over samples, ``updated(moment)`` the penalty after a
      step that decreases it for these samples, and ``with_learned(value)`` the penalty with other
      parameters.
    - ``ridge`` (float) and ``without_ridge`` (a factor): the penalty is ridge/2 ||z||^2 plus that
      factor. Problems add the ridge to their Hessian, and solvers receive the other factor. Its
      dual norm then provides the duality gap of the whole energy.
    - ``unweighted`` (a factor) and ``weights_of(code)``: the penalty of z is ``unweighted`` at the
      variables w_j z_j, with the weight of each entry of a code. Solvers use these variables.
    - ``n_samples`` (int) and ``rows(index)`` (a factor): the penalty differs between samples, and
      `rows` returns that of some of the samples. Only functions accept such a penalty.
    - ``with_alpha(alpha)`` (a factor): the penalty with another alpha, for penalties whose
      resolution takes time, such as those with weights for each sample.
    - ``group_size`` (int): the penalty is one of groups of that many consecutive samples. Energies
      and problems then have one row for each group, and `moment` receives the codes of samples.
    - ``jointly(size)``: the factor for groups of `size` samples that share a support, with a group
      in each row. It is the same penalty for groups of one sample.
    - ``majorant(code, neglected)``: a penalty with `prox` that is at least this one everywhere, up
      to a constant, and touches it at `code`, up to an energy of `neglected` per row. Solvers
      minimise it in place of this one, in a step from `code`. Its ``curvature`` is the weight of a
      term curvature/2 ||z - code||^2 that its `prox` leaves out; solvers add it to the Lipschitz
      constant.
    - ``tangent(code)``, and ``first`` (a convex factor): for a concave function of magnitudes, the
      weighted L1 penalty that is at least this one, up to a constant, and touches it at `code`.
      Solvers minimise tangents exactly, beginning with the codes for ``first``.
    - ``settled(code, neglected)``: the code, with entries set to zero that are non-zero only due to
      the smoothing of `majorant`, and an `eta` for `dual_norm`.
    - ``smoothed(epsilon)``: an object with `value` and `gradient` that has epsilon added to the
      squares of norms, for codes that are learned by gradients.
    - ``on_map(map_shape)``: the factor for maps with this number of rows and columns, for a penalty
      that depends on their shape. It is used in place of this one, which then has no other methods.
    - ``on(backend)``: the factor with the fused sums of a backend.
    """

    def value(self, code: Any) -> Any:
        """Return alpha P of each row, shape (n_samples,)."""
        ...

    def prox(self, code: Any, step_size: float) -> Any:
        """Return argmin_z 1/2 ||z - code||^2 + step_size alpha P(z) of each row."""
        ...
