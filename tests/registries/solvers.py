"""Solvers by the problems that they support, so that new entries of `SOLVERS` are tested."""

from sklearn_ebm.solvers import CONVOLUTION_SOLVERS, MATRIX_SOLVERS, SOLVERS


def _without(*names, solvers=MATRIX_SOLVERS):
    return [name for name in solvers if not {*names} & {*SOLVERS[name].requires}]


# of penalties with their own solvers
CONSTRAINTS = ("limit_rule", "support_rule", "tangent", "inhibition_rule")
LASSO_SOLVERS = _without("group_rule", *CONSTRAINTS)
GROUP_SOLVERS = _without("rule", *CONSTRAINTS)
OVERLAP_SOLVERS = _without("rule", "group_rule", *CONSTRAINTS)
CONVOLUTIONAL_LASSO_SOLVERS = _without(*CONSTRAINTS, solvers=CONVOLUTION_SOLVERS)
