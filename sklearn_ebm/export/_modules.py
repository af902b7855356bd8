"""Models as chains of modules that can be exported, or the reason why they cannot."""

from sklearn.utils.validation import check_is_fitted

from sklearn_ebm.learning._modules import is_passed_through, modules_of, obstacle_of


def require_formula(estimator):
    """Refuse an estimator that is not fitted, or whose output has no formula.

    Raises
    ------
    ValueError
        If the output is the minimum of an energy, which only an iterative solver can compute, or
        if there are no layers for the model.
    """
    obstacle = obstacle_of(estimator) or _export_obstacle_of(estimator)
    if obstacle:
        raise ValueError(
            f"{type(estimator).__name__} cannot be exported as a feed-forward network: {obstacle}"
        )
    if not is_passed_through(estimator):
        check_is_fitted(estimator)


def _export_obstacle_of(estimator):
    has_network = not is_passed_through(estimator) and hasattr(estimator, "_as_network")
    return estimator._as_network().export_obstacle if has_network else ""


def exported_modules(estimator, dtype):
    """Return the features of a fitted estimator as modules, with parameters in a dtype."""
    require_formula(estimator)
    return modules_of(estimator, dtype)
