"""Solvers by the problems that they support, so that new entries of `SOLVERS` are tested."""

from sklearn_ebm.solvers import MATRIX_SOLVERS, SOLVERS


def _without(*names):
    return [name for name in MATRIX_SOLVERS if not {*names} & {*SOLVERS[name].requires}]


CONSTRAINTS = ("limit_rule", "support_rule")
LASSO_SOLVERS = _without("group_rule", *CONSTRAINTS)
GROUP_SOLVERS = _without("rule", *CONSTRAINTS)
OVERLAP_SOLVERS = _without("rule", "group_rule", *CONSTRAINTS)
