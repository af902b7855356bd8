"""Public functions, which import the libraries that they need."""

from contextlib import contextmanager

from sklearn_ebm._extras import install_hint


@contextmanager
def _requiring(extra):
    """Name the extra that installs a missing library."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "sklearn_ebm":
            raise
        raise ModuleNotFoundError(
            f"{error.name} is not installed. {install_hint(extra)}", name=error.name
        ) from error


def register_onnx_converters():
    """Register the estimators of this package with skl2onnx.

    Afterwards, `skl2onnx.to_onnx` converts them, alone or as steps of a pipeline. Estimators whose
    output is the minimum of an energy, such as `SparseCoder`, cannot be converted.

    Raises
    ------
    ModuleNotFoundError
        If skl2onnx is not installed.

    See Also
    --------
    to_onnx : Registers the estimators and converts one of them.
    """
    with _requiring("onnx"):
        from sklearn_ebm.export._onnx import register
    register()


def to_onnx(estimator, X, **options):
    """Convert a fitted estimator, or a pipeline that contains estimators of this package, to ONNX.

    This function calls `register_onnx_converters` and `skl2onnx.to_onnx`. The model computes in the
    dtype of X: convolutions require float32.

    Parameters
    ----------
    estimator : estimator
        Fitted model, layer, pipeline, `FineTunedClassifier` or `FineTunedRegressor`.

    X : {array, sparse matrix} of shape (n_samples, n_features) or \
            (n_samples, height, width[, n_channels])
        Samples that have the shape and the dtype of the input of the model, for example `X[:1]`.
        The converted model accepts any number of samples, as a dense array.

    **options
        Further parameters of `skl2onnx.to_onnx`.

    Returns
    -------
    onnx.ModelProto
        The converted model.

    Raises
    ------
    ModuleNotFoundError
        If skl2onnx is not installed.

    ValueError
        If the output of an estimator is the minimum of an energy, which only an iterative solver
        can compute: the codes of `SparseCoder` and `ConvSparseCoder`, and of other models with
        `inference="optimal"`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import PSD
    >>> from sklearn_ebm.export import to_onnx
    >>> X = np.random.default_rng(0).standard_normal((200, 8)).astype("float32")
    >>> psd = PSD(16, alpha=0.5, max_iter=5, tol=0, random_state=0).fit(X)
    >>> model = to_onnx(psd, X[:1])                                         # doctest: +SKIP
    >>> _ = open("psd.onnx", "wb").write(model.SerializeToString())         # doctest: +SKIP
    """
    with _requiring("onnx"):
        from sklearn_ebm.export._onnx import to_onnx as convert
    return convert(estimator, X, **options)


def to_torch(estimator, dtype="float32"):
    """Convert a fitted estimator or pipeline to a PyTorch module with the same output.

    The trained arrays become parameters of the module, so that PyTorch can train it further.

    Parameters
    ----------
    estimator : estimator
        Fitted model, layer, `FineTunedClassifier` or `FineTunedRegressor`, or a pipeline of models,
        layers, and linear maps such as `StandardScaler`, which may end with a linear classifier or
        regressor.

    dtype : str or dtype, default="float32"
        Dtype of the parameters. The input must have the same dtype.

    Returns
    -------
    torch.nn.Module
        Its output is that of `transform`, or that of `decision_function` if the estimator is a
        classifier. The output of a regressor has the shape (n_samples, n_outputs).

    Raises
    ------
    ModuleNotFoundError
        If PyTorch is not installed.

    ValueError
        If the output of an estimator is the minimum of an energy, which only an iterative solver
        can compute.

    See Also
    --------
    from_torch : Copies the parameters back to an estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import PSD
    >>> from sklearn_ebm.export import to_torch
    >>> X = np.random.default_rng(0).standard_normal((200, 8)).astype("float32")
    >>> psd = PSD(16, alpha=0.5, max_iter=5, tol=0, random_state=0).fit(X)
    >>> import torch                                                        # doctest: +SKIP
    >>> to_torch(psd)(torch.from_numpy(X)).shape                            # doctest: +SKIP
    torch.Size([200, 16])
    """
    with _requiring("torch"):
        from sklearn_ebm.export._torch import TorchNetwork
    return TorchNetwork(estimator, dtype)


def from_torch(network, estimator):
    """Copy the parameters of a PyTorch module to a copy of the estimator it was created from.

    Parameters
    ----------
    network : torch.nn.Module
        Result of `to_torch`, possibly after further training.

    estimator : estimator
        Estimator that was passed to `to_torch`. It is not changed.

    Returns
    -------
    estimator
        A copy with the parameters of the network, projected onto their allowed range: negative
        thresholds, for example, become zero.

    See Also
    --------
    to_torch : Converts an estimator to a PyTorch module.
    """
    with _requiring("torch"):
        from sklearn_ebm.export._torch import from_network
    return from_network(network, estimator)
