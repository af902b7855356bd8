"""Solvers by what they are for, so that a new entry of `SOLVERS` is tested without a new line."""

from sklearn_ebm.solvers import MATRIX_SOLVERS, SOLVERS


def _without(*names):
    return [name for name in MATRIX_SOLVERS if not {*names} & {*SOLVERS[name].requires}]


LASSO_SOLVERS = _without("group_rule")
GROUP_SOLVERS = _without("rule")
OVERLAP_SOLVERS = _without("rule", "group_rule")
