"""Steps of a pipeline as parts of a network: a pass forwards, and one backwards.

What a step needs in order to be trained with labels is one of these:

- layers have `forward(x) -> (y, tape)` and `backward(tape, dy) -> (dx, gradients)`, and may have
  `parameters`, a dictionary of arrays that `gradients` are of, and, if they are random in training,
  `forward_at_random(x, generator)`;
- models have `_tuning_parts(dtype)`, what their encoder and their output are as parts, and
  `_tuned(encoder)`, a copy with another encoder; `_tuning_obstacle()` says what is in the way;
- scikit-learn's linear maps stand in `FIXED_MAPS`. They are not trained, but passed through.

Rows stay rows and images stay images, (n_samples, height, width, channels), from part to part.
"""

import copy
import math

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.utils import check_random_state

from sklearn_ebm.backends import array_namespace, divide_or_zero
from sklearn_ebm.factors import Tape
from sklearn_ebm.inputs._images import shape_of_rows
from sklearn_ebm.inputs._rows import split_missing


class Part:
    """What every part has; a subclass gives `forward` and `backward`."""

    parameters: dict = {}
    units: dict = {}

    def apply(self, x, backend):
        """The output alone."""
        return self.forward(x, backend)[0]

    def project(self):
        """Bring parameters back to where they are allowed."""

    def begin_batch(self):
        """A batch that is learned from begins: what is random is drawn anew."""

    def on_rows(self, first):
        """The part for the rows of a batch from this one on, in training."""
        return self


class EncoderPart(Part):
    """The encoder of a model, on rows.

    Parameters
    ----------
    model : estimator
        The fitted model.
    encoder : encoder factor
        Trained in place.
    """

    def __init__(self, model, encoder):
        self.model = model
        self.encoder = encoder
        self.parameters = encoder.parameters
        self.units = encoder.tuning_units
        self._free_tapes = []

    def apply(self, x, backend):
        """Codes alone."""
        return self._restore(self._of_shape(x.shape).encode(self._rows(x), backend), x)

    def forward(self, x, backend):
        """Codes, and the tape that `backward` reads."""
        tape = self._free_tapes.pop() if self._free_tapes else Tape()
        code, _ = self._of_shape(x.shape).forward(self._rows(x), backend, tape)
        return self._restore(code, x), (tape, x.shape)

    def backward(self, tape, dy, input_gradient=True):
        """Gradients by the input, or None, and by the parameters, which the caller may keep."""
        tape, shape = tape
        xp, encoder = array_namespace(dy), self._of_shape(shape)
        dy = xp.reshape(dy, (dy.shape[0], math.prod(dy.shape[1:])))
        dx, gradients = encoder.backward(tape, dy, input_gradient)
        gradients = {name: xp.asarray(value, copy=True) for name, value in gradients.items()}
        self._free_tapes.append(tape)
        return None if dx is None else xp.reshape(dx, shape), gradients

    def project(self):
        """Bring the encoder's parameters back to where they are allowed."""
        self.encoder.project()

    def _of_shape(self, shape):
        """The encoder of inputs of this shape."""
        return self.encoder

    def _rows(self, x):
        rows = array_namespace(x).reshape(x, (x.shape[0], math.prod(x.shape[1:])))
        return split_missing(rows, getattr(self.model, "missing_values", None))[0]

    def _restore(self, code, x):
        return code


class ImageEncoderPart(EncoderPart):
    """The encoder of a convolutional model: images in, maps out, or rows of both."""

    def _image_shape(self, shape):
        if len(shape) == 4:
            return shape[1:]
        return shape_of_rows(shape[1], self.model.image_shape)

    def _of_shape(self, shape):
        return self.encoder.on_images(self._image_shape(shape)[:2])

    def _restore(self, code, x):
        if x.ndim == 2:
            return code
        return self.model._state.parts.decoder.for_samples(x.shape[1:]).as_maps(code)


class LayerPart(Part):
    """A layer, or anything else with `forward` and `backward`, with its own parameters if any.

    Parameters
    ----------
    layer : object
        Its parameters are trained in place.
    """

    def __init__(self, layer):
        self.layer = layer
        self.parameters = getattr(layer, "parameters", {})

    def forward(self, x, backend):
        """The layer's output and tape; spatial layers see rows as images."""
        is_flat = x.ndim == 2 and hasattr(self.layer, "image_shape")
        if not is_flat:
            y, tape = self._through_layer(x)
            return y, (tape, None, None)
        xp = array_namespace(x)
        shape = x.shape[0], *shape_of_rows(x.shape[1], self.layer.image_shape)
        y, tape = self._through_layer(xp.reshape(x, shape))
        return xp.reshape(y, (y.shape[0], math.prod(y.shape[1:]))), (tape, x.shape, y.shape)

    def backward(self, tape, dy, input_gradient=True):
        """The layer's gradients."""
        tape, x_shape, y_shape = tape
        if y_shape is None:
            return self.layer.backward(tape, dy)
        xp = array_namespace(dy)
        dx, gradients = self.layer.backward(tape, xp.reshape(dy, y_shape))
        return xp.reshape(dx, x_shape), gradients

    def _through_layer(self, x):
        return self.layer.forward(x)


class RandomLayerPart(LayerPart):
    """A layer that is random in training: it has `forward_at_random(x, generator) -> (y, tape)`.

    It draws a number for each entry of x, in their order, from where the row stands in the stream
    of the batch: what a row gets depends on no other rows, neither on threads nor on the device.
    """

    def __init__(self, layer):
        super().__init__(layer)
        self._seed = int(check_random_state(layer.random_state).randint(np.iinfo(np.int32).max))
        self._n_batches = 0
        self._first = None

    def begin_batch(self):
        """Draw anew."""
        self._n_batches += 1

    def on_rows(self, first):
        """The same layer, with the draws of these rows."""
        part = copy.copy(self)
        part._first = first
        return part

    def _through_layer(self, x):
        if self._first is None:
            return self.layer.forward(x)
        stream = np.random.PCG64([self._seed, self._n_batches])
        stream.advance(self._first * math.prod(x.shape[1:]))
        return self.layer.forward_at_random(x, np.random.Generator(stream))


class PoolPart(Part):
    """v_g = sqrt(sum_j w_gj z_j^2), after the codes themselves where these are asked for as well.

    dz_j = z_j sum_g w_gj dv_g / v_g; zero where v_g is zero.

    Parameters
    ----------
    pools : Pools
        Give w.
    with_code : bool
        Whether the codes come first.
    """

    def __init__(self, pools, with_code):
        self.pools = pools
        self.with_code = with_code

    def forward(self, x, backend):
        """Features of the pools."""
        norms = self.pools.norms(x, backend)
        y = array_namespace(x).concat([x, norms], axis=1) if self.with_code else norms
        return y, (x, norms, backend)

    def backward(self, tape, dy, input_gradient=True):
        """The gradient by the codes; there are no parameters."""
        code, norms, backend = tape
        share = divide_or_zero(dy[:, -norms.shape[1] :], norms)
        dx = code * self.pools.spread(share, backend)
        return dx + dy[:, : code.shape[1]] if self.with_code else dx, {}


class FixedMap(Part):
    """y = x A + b with what is not trained; A a matrix, or a factor for each feature."""

    def __init__(self, linear, shift):
        self.linear = linear
        self.shift = shift

    def forward(self, x, backend):
        """The map's output; no tape, since the map is linear."""
        linear, shift = self._like(x, self.linear), self._like(x, self.shift)
        return (x @ linear if linear.ndim == 2 else x * linear) + shift, None

    def backward(self, tape, dy, input_gradient=True):
        """The gradient by the input; there are no parameters."""
        linear = self._like(dy, self.linear)
        return dy @ linear.T if linear.ndim == 2 else dy * linear, {}

    @staticmethod
    def _like(x, array):
        return array_namespace(x).asarray(array, dtype=x.dtype)


def _standard(scaler):
    scale = 1.0 if scaler.scale_ is None else 1 / np.asarray(scaler.scale_)
    mean = 0.0 if scaler.mean_ is None or not scaler.with_mean else scaler.mean_
    return FixedMap(np.asarray(scale), -np.asarray(mean) * scale)


def _principal(pca):
    spread = np.sqrt(pca.explained_variance_) if pca.whiten else np.ones(len(pca.components_))
    linear = pca.components_.T / spread
    return FixedMap(linear, -(pca.mean_ @ linear))


FIXED_MAPS = {
    StandardScaler: _standard,
    MinMaxScaler: lambda scaler: FixedMap(scaler.scale_, scaler.min_),
    MaxAbsScaler: lambda scaler: FixedMap(1 / scaler.scale_, np.zeros_like(scaler.scale_)),
    PCA: _principal,
    IncrementalPCA: _principal,
}
WAYS_OUT = (
    "Only steps that are not trained may stand before it: replace it, or set learning_rates to 0 "
    "for it and for all steps before it, which then stay as they are."
)


def is_passed_through(estimator):
    """Whether scikit-learn leaves this step out."""
    return estimator is None or isinstance(estimator, str)


def is_trainable(estimator):
    """Whether a step, fitted or not, has parameters that labels could train, or should have."""
    return hasattr(estimator, "_tuning_obstacle") or hasattr(estimator, "parameters")


def require_derivative(name, estimator):
    """Refuse a step, fitted or not, that gradients cannot go through.

    Raises
    ------
    ValueError
        It names the step, and says what to do.
    """
    obstacle = _obstacle(estimator)
    if obstacle:
        raise ValueError(
            f"Step {name!r}, {type(estimator).__name__}, cannot be trained through: {obstacle} "
            f"{WAYS_OUT}"
        )


def _obstacle(estimator):
    if hasattr(estimator, "_tuning_obstacle"):
        return estimator._tuning_obstacle()
    if type(estimator) in FIXED_MAPS:
        return "it clips; set clip=False." if getattr(estimator, "clip", False) else ""
    has_passes = hasattr(estimator, "forward") and hasattr(estimator, "backward")
    return "" if is_passed_through(estimator) or has_passes else "it has no derivative here."


class Step:
    """A fitted step of the pipeline, and the parts that it is of a network.

    Parameters
    ----------
    name : str
        Of the step.
    estimator : object
        Stays as it is.
    dtype : dtype
        Of the data; parameters are trained in it.
    """

    def __init__(self, name, estimator, dtype):
        require_derivative(name, estimator)
        self.name = name
        self.estimator, self.parts = _parts_of(estimator, dtype)

    def tuned(self):
        """The estimator with the parameters as they are."""
        encoders = [part.encoder for part in self.parts if hasattr(part, "encoder")]
        return self.estimator._tuned(*encoders) if encoders else copy.deepcopy(self.estimator)


def _parts_of(estimator, dtype):
    """The estimator whose parameters are trained, and its parts."""
    if is_passed_through(estimator):
        return estimator, []
    if hasattr(estimator, "_tuning_parts"):
        return estimator, estimator._tuning_parts(dtype)
    if type(estimator) in FIXED_MAPS:
        return estimator, [FIXED_MAPS[type(estimator)](estimator)]
    estimator = copy.deepcopy(estimator)
    part = RandomLayerPart if hasattr(estimator, "forward_at_random") else LayerPart
    return estimator, [part(estimator)]
