"""Warnings about how the learning of a dictionary ended, each with a remedy."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm._warnings import warn
from sklearn_ebm.estimators._fitted import new_penalty, sparsity
from sklearn_ebm.factors import takes_alpha
from sklearn_ebm.learning._divergence import divergence_message
from sklearn_ebm.protocols import offers

MANY = 1e-3  # fraction of unconverged codes above which learning issues a warning
FEW_NON_ZERO = 0.01  # share of non-zero entries below which codes are hardly useful,
FEWEST_NON_ZERO = 0.5  # if most samples have a code of zeros: large dictionaries have small shares
MOST_NON_ZERO = 0.9  # share of the largest support above which codes are hardly sparse,
FEWEST_TO_BE_DENSE = 10  # unless there are so few components that all of them may be needed


def warn_of(complaint):
    """Issue a `ConvergenceWarning` if the message is not empty."""
    if complaint:
        warn(complaint, ConvergenceWarning)


def complaint(learning, trainer, outcome, unfinished=""):
    """Return a warning about how learning ended, with a remedy. Empty if all is well."""
    model, unconverged = learning.model, trainer.curves.latest.get("unconverged", 0.0)
    if outcome.has_diverged:
        return divergence_message(model.learning_rate)
    if not np.any(model.usage_):
        is_fixed = learning.fixed_alpha(model, model.alpha, model.relative_alpha) is not None
        return _no_codes(model, is_fixed)
    if unconverged > MANY:
        return (
            f"In the last pass, {unconverged:.1%} of the codes did not converge to a tolerance "
            f"of {trainer.criterion.settings['tol']:.1e}. Increase code_max_iter or code_tol."
        )
    return unfinished


def _no_codes(model, is_fixed):
    """Return a warning that all codes are zero."""
    if not takes_alpha(model._penalty_kind()):
        return "Every code is zero; nothing was learned. Check that X does not contain only zeros."
    if not is_fixed:
        return (
            f"Every code is zero with alpha_={model.alpha_}; nothing was learned. Check that X "
            "does not contain only zeros, or set alpha to a lower number."
        )
    return (
        f"alpha={sparsity(model)} is so large that every code is zero; nothing was learned. "
        "Lower alpha, or scale X to unit variance."
    )


def warn_of_share(learning, trainer):
    """Issue a warning if hardly any or nearly all entries of the codes are non-zero.

    Shares of convolutional codes are small, since each filter has a coefficient at each position.
    Codes are dense on purpose if the penalty is one of groups.
    """
    model, n_components = learning.model, trainer.criterion.dictionary.shape[0]
    share = float(model.sparsity_curve_[-1])
    if not takes_alpha(model._penalty_kind()) or not share > 0:
        return
    found = f"{share:.2%} of the entries of the codes are non-zero with alpha_={model.alpha_:.3g}"
    remedy = ""
    if "relative_alpha" in model.get_params(deep=False):
        remedy = " To set alpha relative to the largest useful value, use relative_alpha=True."
    is_empty = share < FEW_NON_ZERO and share * n_components < FEWEST_NON_ZERO
    if is_empty and learning.atoms.has_few_entries:
        found = f"Only {found}, and most samples have a code of zeros. Lower alpha."
        warn(f"{found}{remedy}", UserWarning)
    elif _is_dense(learning, share, n_components):
        found = f"{found}, so that the codes are hardly sparse. Increase alpha."
        warn(f"{found}{remedy}", UserWarning)


def _is_dense(learning, share, n_components):
    """Return whether nearly all entries are non-zero that can be.

    With an L1 or a concave penalty alone, a code has at most as many non-zero entries as features.
    """
    model = learning.model
    penalty, largest_support = new_penalty(model, n_components), n_components
    is_exact = any(offers(penalty, name) for name in ("rule", "unweighted", "tangent"))
    if is_exact and learning.prediction is None and learning.atoms.has_few_entries:
        largest_support = min(n_components, model.n_features_in_)
    is_large = largest_support >= FEWEST_TO_BE_DENSE
    is_dense = is_large and share * n_components > MOST_NON_ZERO * largest_support
    return is_dense and bool(getattr(penalty, "separable", False))
