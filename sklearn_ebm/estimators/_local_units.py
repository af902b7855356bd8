"""Units of a map with filters of their own: their number, places, initial filters and crops."""

import math
from numbers import Integral

from sklearn_ebm._sklearn import Interval, StrOptions
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._places import Places
from sklearn_ebm.estimators._atoms import Atoms, DenseEncoders
from sklearn_ebm.estimators._dictionary_learning import (
    DictionaryLearning,
    curves_of,
    require_same_encoder,
)
from sklearn_ebm.estimators._filters import (
    checked_maps,
    checked_size,
    crop_within,
    is_size,
    unit_filters,
)
from sklearn_ebm.factors import LOCAL_ENCODERS, LocalDecoder
from sklearn_ebm.inputs._adapters import Images
from sklearn_ebm.inputs._image_checks import require_squares
from sklearn_ebm.inputs._images import IMAGE_SHAPE, window_shape
from sklearn_ebm.learning._crops import Crops, first_kernels
from sklearn_ebm.learning._distributed import samples_of
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import LocalDictionary

LEARNING_TOL = 1e-2  # with larger gaps, pools are hardly sparse, and the map has no order
UNITS_AT_ONCE = 4096  # drawing first filters takes several times the memory of the filters
TILES_A_CROP = 2  # rows and columns of tiles in an automatic crop
LOCAL_CONSTRAINTS = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "kernel_size": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "tile_shape": [Interval(Integral, 1, None, closed="left"), "array-like", None],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "image_shape": IMAGE_SHAPE,
    "crop_size": [
        StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), "array-like", None,
    ],
    "encoder": [StrOptions(set(LOCAL_ENCODERS))],
    "output": [StrOptions({"pooled", "simple"})],
}  # fmt: skip


class LocalEncoders(DenseEncoders):
    """Encoders of units with filters of their own.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of the images in `fit`.
    """

    kinds = LOCAL_ENCODERS

    def __init__(self, image_shape):
        self.image_shape = image_shape

    def first(self, name, decoder, alpha, scale, table=None, **settings):
        return self.kinds[name].from_dictionary(
            decoder.dictionary, decoder.lipschitz, alpha, scale=scale,
            image_shape=decoder.image_shape, tile_shape=decoder.tile_shape,
            fineness=decoder.places.fineness, **settings,
        )  # fmt: skip

    def to_use(self, encoder, table=None):
        return encoder.on_images(self.image_shape[:2]).at_phase((0, 0))


class LocalUnits(Atoms):
    """Units of a `LocalPSD`, as described by its parameters.

    Parameters
    ----------
    model : LocalPSD
        The model, which knows the shape of its images.
    """

    learning_tol = LEARNING_TOL
    has_few_entries = False

    def __init__(self, model):
        super().__init__(model.n_components, None)
        self.fineness = fineness_of(model.n_components)
        self.kernel_size = model.kernel_size
        self.tile_shape = model.tile_shape
        self.crop_size = model.crop_size
        self.image_shape = model._sample_shape
        self.encoders = LocalEncoders(self.image_shape)

    @property
    def filter_shape(self):
        """Height and width of the filters."""
        return window_shape(self.kernel_size, self.image_shape[0])

    @property
    def tile(self):
        """Height and width of a tile in pixels, or None."""
        if self.tile_shape is None:
            return None
        return window_shape(self.tile_shape, self.image_shape[0])

    @property
    def places(self):
        """Density of the units, with a tile that begins at the first one."""
        return Places(self.fineness)

    @property
    def map_shape(self):
        """Rows and columns of the units of a tile, or of the whole map."""
        if self.tile is None:
            return self.places.map_shape(self.image_shape, self.filter_shape)
        return tuple(self.fineness * length for length in self.tile)

    def check_samples(self, X, alpha):
        require_squares(X, alpha)

    def initial(self, X, weights, random_state):
        n_units, filters = math.prod(self.map_shape), []
        for first in range(0, n_units, UNITS_AT_ONCE):
            shape = min(UNITS_AT_ONCE, n_units - first), *self.filter_shape
            filters.append(first_kernels(X, shape, random_state, weights))
        return array_namespace(X).concat(filters), None

    def normalized(self, dictionary, table=None):
        return unit_filters(dictionary)

    def decoder(self, dictionary, sample_shape):
        tile_shape = None if self.tile is None else self.map_shape
        return LocalDecoder(dictionary, sample_shape[:2], tile_shape, self.places)

    def learning_decoder(self, dictionary):
        return self.decoder(dictionary, self.image_shape)

    def trainer(self, dictionary, encoder, table=None):
        repeats = self.tile is not None
        return Trainer(LocalDictionary(dictionary, encoder, self.map_shape, self.fineness, repeats))

    def to_follow(self):
        return {}

    def samples(self, data, weights, trainer):
        shape = self.crop_shape(data.shape[:2])
        return samples_of(data, weights, Crops(None, dtype=trainer.dtype, shape=shape))

    def crop_shape(self, image_shape):
        """Return height and width of the crops of images of a given shape."""
        size = self.crop_size
        if size is None or self.tile is None:
            return tuple(image_shape)
        pairs = zip(self.tile, self.filter_shape, strict=True)
        automatic = tuple(TILES_A_CROP * tile + length - 1 for tile, length in pairs)
        return crop_within(image_shape, self.filter_shape, size, automatic, "None, 'auto'")

    # ------------------------------------------------------------------------------ a fitted model
    def is_already(self, name, value, model):
        if name == "kernel_size":
            return is_size(value) and self.filter_shape == model.components_.shape[1:3]
        if name == "tile_shape" and value is not None:
            is_tiled = model._last_state.fitted_with[name] is not None
            return is_tiled and is_size(value) and self.map_shape == tuple(model.map_shape_)
        return False

    def read_codes(self, model, X, decoder, name="X"):
        if model.output == "pooled" and name == "X":
            raise ValueError(
                "Pooled features cannot be inverted, because many codes have the same pooled "
                "features. Set output='simple'."
            )
        X, map_shape = checked_maps(model, X, decoder, name)
        if map_shape is None:
            return X, decoder.image_shape
        return X, self._image_shape(model, map_shape, decoder, name)

    def _image_shape(self, model, map_shape, decoder, name):
        """Return height and width of the images that have these maps."""
        fineness, own = self.fineness, decoder.map_shape[:2]
        if any(length % fineness or not length for length in map_shape):
            raise ValueError(
                f"{name} must contain maps whose height and width are positive multiples of "
                f"{fineness}, got maps of {map_shape[0]} x {map_shape[1]}."
            )
        if self.tile is None and tuple(map_shape) != own:
            raise ValueError(
                f"{name} must contain maps of {own[0]} x {own[1]}, since {type(model).__name__} "
                f"with tile_shape=None shares no filters, got maps of {map_shape[0]} x "
                f"{map_shape[1]}."
            )
        return self.places.image_shape(map_shape, self.filter_shape)

    def table_of(self, criterion):
        return None


class LocalImages(Images):
    """Images of a `LocalPSD`: large enough for its filters, or of one size if none are shared.

    Parameters
    ----------
    model : LocalPSD
        The model.
    is_first : bool
        Whether the images are those of a first fit.
    """

    def __init__(self, model, is_first):
        smallest = checked_size(model.kernel_size, "kernel_size")
        super().__init__(model.missing_values, model.image_shape, smallest)
        if model.tile_shape is not None:
            checked_size(model.tile_shape, "tile_shape")
        self.model = model
        self.is_first = is_first

    def _checked(self, estimator, X, reset, finite):
        images, form = super()._checked(estimator, X, reset, finite)
        shape, model = images.shape[1:3], self.model
        if model.tile_shape is None and not self.is_first:
            self._require_same(shape)
        if model.tile_shape is not None and self.is_first:
            self._require_tile(shape)
        return images, form

    def _require_same(self, shape):
        fitted = self.model._sample_shape[:2]
        if tuple(shape) != tuple(fitted):
            raise ValueError(
                f"X has images of {shape[0]} x {shape[1]}, but this {type(self.model).__name__} "
                f"was fitted with images of {fitted[0]} x {fitted[1]}, and with tile_shape=None it "
                "shares no filters between positions. Set tile_shape to encode images of any size."
            )

    def _require_tile(self, shape):
        model = self.model
        sizes = (window_shape(size, shape[0]) for size in (model.kernel_size, model.tile_shape))
        least = tuple(size + tile - 1 for size, tile in zip(*sizes, strict=True))
        if any(length < each for length, each in zip(shape, least, strict=True)):
            raise ValueError(
                f"X has images of {shape[0]} x {shape[1]}, but {type(model).__name__} is expecting "
                f"at least {least[0]} x {least[1]}, so that a map contains a tile of units "
                f"(kernel_size={model.kernel_size!r}, tile_shape={model.tile_shape!r}). Lower "
                "tile_shape."
            )


class LocalLearning(DictionaryLearning):
    """One call of `fit` or `partial_fit` of a model with local filters."""

    @staticmethod
    def reports(trainer):
        """Return the fitted attributes that record the progress of learning, and the map."""
        return {
            **curves_of(trainer),
            "unconverged_": trainer.curves.latest.get("unconverged", 0.0),
            "map_shape_": trainer.criterion.map_shape,
        }

    def _require_same(self, trainer):
        require_same_encoder(self, trainer)


def fineness_of(n_components):
    """Return the number of units per pixel in each direction."""
    fineness = math.isqrt(int(n_components))
    if fineness**2 != n_components:
        raise ValueError(
            f"n_components must be a square number, such as 1, 4 or 9, got {n_components!r}."
        )
    return fineness
