"""Names of the classes that skops must trust to load models of this package."""

import sklearn_ebm


def skops_trusted_types():
    """Return the names of all public classes, for skops and MLflow.

    Stored estimators contain arrays, containers, and objects of scikit-learn or of these classes.

    Returns
    -------
    list of str
        Names to pass as `trusted` to :func:`skops.io.load`, or as `skops_trusted_types` to
        `mlflow.sklearn.save_model`.

    Examples
    --------
    >>> from sklearn_ebm.export import skops_trusted_types
    >>> [name for name in skops_trusted_types() if name.endswith("RBM")]
    ['sklearn_ebm.estimators._rbm.RBM']
    """
    public = [getattr(sklearn_ebm, name) for name in sklearn_ebm.__all__]
    return sorted(f"{each.__module__}.{each.__name__}" for each in public if isinstance(each, type))
