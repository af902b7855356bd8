"""The usual stacks of stages in one line."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_random_state

from sklearn_ebm._sklearn import HasMethods, Interval, StrOptions, validate_params
from sklearn_ebm.estimators._conv_psd import ConvPSD
from sklearn_ebm.estimators._sparse_model import SCALE
from sklearn_ebm.layers import Flattener, LocalContrastNormalizer, Pooler, Rectifier

ALPHA = 0.5  # keeps about one in a hundred map positions on, of images of normalised contrast
MAX_ITER = 5  # passes; images are many and alike
BATCH_SIZE = 32  # images for each step, which costs as much for one as for all
CLASSIFIER_MAX_ITER = 1000  # of LogisticRegression, whose default stops short on many features
LARGEST_SEED = 2**31 - 1
PER_STAGE = [Interval(Integral, 1, None, closed="left"), "array-like"]


def as_images(X, image_shape):
    """Flat rows as images (n_samples, height, width[, channels])."""
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
    n_stages=2,
    *,
    model=None,
    n_components=(32, 64),
    kernel_size=5,
    alpha=None,
    connections=16,
    rectify="abs",
    window_size=9,
    pooling="average",
    pool_shape=2,
    pool_stride=None,
    image_shape=None,
    classifier="logistic",
    memory=None,
    random_state=None,
):
    """A pipeline of stages, each filters -> rectifier -> contrast -> pooling, and a classifier.

    Parameters that differ from stage to stage are sequences; the last entry holds for all further
    stages.

    Parameters
    ----------
    n_stages : int, default=2
        Stages.
    model : estimator or None, default=None
        The filters, cloned for each stage with its `n_components`; None takes
        `ConvPSD(border="same", alpha=0.5, max_iter=5, tol=0, batch_size=32)`. Of a model that is
        not convolutional (`PSD`, `RBM`) a stage is the model and the rectifier.
    n_components : int or sequence of int, default=(32, 64)
        Maps, or components, of each stage.
    kernel_size : int or sequence of int, default=5
        Of convolutional models.
    alpha : float, "scale" or sequence of (float or "scale"), default=None
        Weight of the sparsity penalty of the stages. None uses the alpha of `model`, and 0.5 for
        the default model.
    connections : int or None, default=16
        Maps of the stage before that each kernel reads, at random, from the second stage on; None,
        or as many as there are, reads all.
    rectify : {"abs", "positive", "split"} or None, default="abs"
        Mode of the `Rectifier`; None has none.
    window_size : int or None, default=9
        Of the `LocalContrastNormalizer`, before the first stage and in each; None has none.
    pooling : {"average", "max", "l2"} or None, default="average"
        Mode of the `Pooler`; None has none.
    pool_shape : int or sequence of (int or tuple of two ints), default=2
        Height and width of the windows of the `Pooler`, for all stages or for each.
    pool_stride : int, None or sequence of (int, tuple of two ints or None), default=None
        Rows and columns from one window of the `Pooler` to the next, for all stages or for each;
        None sets windows side by side.
    image_shape : tuple of 2 or 3 int, default=None
        Height, width and channels of images that come as flat rows.
    classifier : classifier, "logistic" or None, default="logistic"
        The last step; None has none, "logistic" is `LogisticRegression(max_iter=1000)`.
    memory : None, str or joblib.Memory, default=None
        The pipeline's cache.
    random_state : int, RandomState instance or None, default=None
        Seeds of the models; each has its own.

    Returns
    -------
    Pipeline
        Of scikit-learn; steps are named "images", "contrast", "model1", "rectifier1", "contrast1",
        "pooler1", "model2", ..., "flattener" and "classifier", if they are present.

    See Also
    --------
    FineTunedClassifier : Trains all of it with labels.

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
    )  # passes are few on purpose: no warning that they end learning


def _of_stage(values, stage):
    """The entry of a stage, where there is one for each; the last goes on."""
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
    """So many of the channels, or None for all; the first stage reads the image."""
    few = None not in (connections, channels) and connections < channels
    return connections if few else None


def _classifier(classifier):
    if classifier == "logistic":
        return LogisticRegression(max_iter=CLASSIFIER_MAX_ITER)
    return None if classifier is None else clone(classifier)
