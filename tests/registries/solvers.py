"""Solvers by the problems that they support, so that new entries of `SOLVERS` are tested."""

from sklearn_ebm.solvers import MATRIX_SOLVERS, SOLVERS


def _without(*names):
    return [name for name in MATRIX_SOLVERS if not {*names} & {*SOLVERS[name].requires}]


LASSO_SOLVERS = _without("group_rule", "support_rule")
GROUP_SOLVERS = _without("rule", "support_rule")
OVERLAP_SOLVERS = _without("rule", "group_rule", "support_rule")
