"""Pipelines of several stages of feature learning."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_random_state

from sklearn_ebm._sklearn import HasMethods, Interval, StrOptions, validate_params
from sklearn_ebm._typing import ArrayLike, Estimator, ImageShape, Pooling, RandomState, Scale, Size
from sklearn_ebm.estimators._conv_psd import ConvPSD
from sklearn_ebm.estimators._sparse_model import SCALE
from sklearn_ebm.layers import Flattener, LocalContrastNormalizer, Pooler, Rectifier

ALPHA = 0.5  # about 1 % of the map entries are non-zero for images of normalised contrast
MAX_ITER = 5  # few passes suffice, since there are many similar images
BATCH_SIZE = 32  # the update of the filters costs the same for any number of images
CLASSIFIER_MAX_ITER = 1000  # the default of LogisticRegression is too small for many features
LARGEST_SEED = 2**31 - 1
PER_STAGE = [Interval(Integral, 1, None, closed="left"), "array-like"]


def as_images(X, image_shape):
    """Reshape flat rows to images (n_samples, height, width[, channels])."""
    return np.reshape(X, (len(X), *image_shape))


@validate_params(
    {
        "n_stages": [Interval(Integral, 1, None, closed="left")],
        "model": [HasMethods(["fit", "transform"]), None],
        "n_components": PER_STAGE,
        "kernel_size": PER_STAGE,
        "alpha": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({SCALE}),
            "array-like",
            None,
        ],
        "connections": [Interval(Integral, 1, None, closed="left"), None],
        "rectify": [StrOptions({"abs", "positive", "split"}), None],
        "window_size": [Interval(Integral, 1, None, closed="left"), None],
        "pooling": [StrOptions({"average", "max", "l2"}), None],
        "pool_shape": PER_STAGE,
        "pool_stride": [*PER_STAGE, None],
        "image_shape": ["array-like", None],
        "classifier": [HasMethods(["fit", "predict"]), None, StrOptions({"logistic"})],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_feature_hierarchy(
    n_stages: int = 2,
    *,
    model: Estimator | None = None,
    n_components: Size = (32, 64),
    kernel_size: Size = 5,
    alpha: float | Scale | ArrayLike | None = None,
    connections: int | None = 16,
    rectify: Literal["abs", "positive", "split"] | None = "abs",
    window_size: int | None = 9,
    pooling: Pooling | None = "average",
    pool_shape: Size = 2,
    pool_stride: Size | None = None,
    image_shape: ImageShape | None = None,
    classifier: Estimator | Literal["logistic"] | None = "logistic",
    memory: Any = None,
    random_state: RandomState = None,
) -> Pipeline:
    """Create a pipeline with several stages of features and a classifier.

    Each stage consists of a model (its filters), a rectifier, local contrast normalisation and
    pooling. A parameter that is a sequence has one entry for each stage; its last entry is used for
    all further stages.

    Parameters
    ----------
    n_stages : int, default=2
        Number of stages.
    model : estimator or None, default=None
        Model that learns the filters. It is cloned for each stage. None uses
        `ConvPSD(border="same", alpha=0.5, max_iter=5, tol=0, batch_size=32)`. If the model is not
        convolutional, such as `PSD` or `RBM`, a stage is only the model and the rectifier.
    n_components : int or sequence of int, default=(32, 64)
        Number of filters, or components, of each stage.
    kernel_size : int or sequence of int, default=5
        Size of the filters of convolutional models, for all stages or for each.
    alpha : float, "scale" or sequence of (float or "scale"), default=None
        Weight of the sparsity penalty of the stages. None uses the alpha of `model`, and 0.5 for
        the default model.
    connections : int or None, default=16
        Number of feature maps of the previous stage that each filter reads, from the second stage
        on. They are chosen at random. None, or a number that is not smaller than the number of
        maps, connects each filter to all maps.
    rectify : {"abs", "positive", "split"} or None, default="abs"
        Mode of the `Rectifier`. None omits it.
    window_size : int or None, default=9
        Window size of the `LocalContrastNormalizer` before the first stage and in each stage. None
        omits it.
    pooling : {"average", "max", "l2"} or None, default="average"
        Mode of the `Pooler`. None omits it.
    pool_shape : int or sequence of (int or tuple of two ints), default=2
        Height and width of the windows of the `Pooler`, for all stages or for each.
    pool_stride : int, None or sequence of (int, tuple of two ints or None), default=None
        Number of rows and columns between neighbouring windows of the `Pooler`, for all stages or
        for each. None uses adjacent windows that do not overlap.
    image_shape : tuple of 2 or 3 int, default=None
        Height, width and channels (1 if omitted) of images passed as flat rows.
    classifier : classifier, "logistic" or None, default="logistic"
        Last step of the pipeline. "logistic" is `LogisticRegression(max_iter=1000)`. None omits it.
    memory : None, str or joblib.Memory, default=None
        Cache of the pipeline.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        a seed for each model.

    Returns
    -------
    Pipeline
        A scikit-learn pipeline with the steps "images", "contrast", "model1", "rectifier1",
        "contrast1", "pooler1", "model2", ..., "flattener" and "classifier", except those that are
        omitted.

    See Also
    --------
    FineTunedClassifier : Classifier that trains all stages with labels.

    References
    ----------
    K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun (2009). What is the best multi-stage
    architecture for object recognition?

    Examples
    --------
    >>> from sklearn_ebm import make_feature_hierarchy
    >>> pipeline = make_feature_hierarchy(n_components=(16, 32), random_state=0)
    >>> list(pipeline.named_steps)[:5]
    ['contrast', 'model1', 'rectifier1', 'contrast1', 'pooler1']
    """
    model = _usual_model() if model is None else model
    is_convolutional = hasattr(model, "kernel_size")
    random_state = check_random_state(random_state)
    steps = [("images", _reshaper(image_shape))]
    if is_convolutional:
        steps.append(("contrast", _normalizer(window_size)))
    channels = None
    for stage in range(n_stages):
        settings = {"n_components": _of_stage(n_components, stage)}
        settings["random_state"] = random_state.randint(LARGEST_SEED)
        if alpha is not None:
            settings["alpha"] = _of_stage(alpha, stage)
        layers = [("rectifier", None if rectify is None else Rectifier(rectify))]
        if is_convolutional:
            settings["kernel_size"] = _of_stage(kernel_size, stage)
            if "connections" in model.get_params(deep=False):
                settings["connections"] = _fewer(connections, channels)
            windows = _of_stage(pool_shape, stage), _of_stage(pool_stride, stage)
            layers += [
                ("contrast", _normalizer(window_size)),
                ("pooler", _pooler(pooling, *windows)),
            ]
        layers.insert(0, ("model", clone(model).set_params(**settings)))
        steps += [(f"{name}{stage + 1}", layer) for name, layer in layers]
        channels = settings["n_components"] * (2 if rectify == "split" else 1)
    steps += [("flattener", Flattener() if is_convolutional else None),
              ("classifier", _classifier(classifier))]  # fmt: skip
    return Pipeline([step for step in steps if step[1] is not None], memory=memory)


def _usual_model():
    return ConvPSD(
        border="same", alpha=ALPHA, max_iter=MAX_ITER, tol=0, batch_size=BATCH_SIZE
    )  # tol=0, so that the small number of passes causes no warning


def _of_stage(values, stage):
    """Return the value for a stage. The last entry of a sequence is used for all further stages."""
    is_sequence = np.iterable(values) and not isinstance(values, str)
    return values[min(stage, len(values) - 1)] if is_sequence else values


def _reshaper(image_shape):
    if image_shape is None:
        return None
    return FunctionTransformer(as_images, kw_args={"image_shape": tuple(image_shape)})


def _normalizer(window_size):
    return None if window_size is None else LocalContrastNormalizer(window_size)


def _pooler(mode, pool_shape, pool_stride):
    return None if mode is None else Pooler(mode, pool_shape, pool_stride=pool_stride)


def _fewer(connections, channels):
    """Return the number of channels to connect, or None for all channels."""
    few = None not in (connections, channels) and connections < channels
    return connections if few else None


def _classifier(classifier):
    if classifier == "logistic":
        return LogisticRegression(max_iter=CLASSIFIER_MAX_ITER)
    return None if classifier is None else clone(classifier)
