"""Atoms of convolutional models: filters, their connections to channels, and crops of images."""

from numbers import Integral

import numpy as np
from scipy import sparse

from sklearn_ebm._sklearn import Interval, StrOptions
from sklearn_ebm.backends import array_namespace, is_cupy, to_host
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.estimators._atoms import Atoms, DenseEncoders
from sklearn_ebm.estimators._connections import connection_table
from sklearn_ebm.estimators._fitted import row_decoder
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS, ConvolutionalDecoder, at_every_position
from sklearn_ebm.inputs._adapters import Images
from sklearn_ebm.inputs._checks import check_codes, check_dictionary
from sklearn_ebm.inputs._image_checks import flat, require_squares
from sklearn_ebm.inputs._images import IMAGE_SHAPE, window_shape
from sklearn_ebm.layers._state import is_same
from sklearn_ebm.learning._crops import Crops, first_kernels
from sklearn_ebm.learning._distributed import samples_of
from sklearn_ebm.learning._first_atoms import unit_rows
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import ConvolutionalDictionary
from sklearn_ebm.solvers import CONVOLUTION_SOLVERS

USUAL_COMPONENTS = 32
KERNELS_A_CROP = 8  # size of an automatic crop, as a multiple of the size of the filters
PATCH = "patch"  # crops of the size of the filters, which then have one position
LEARNING_TOL = 0.1  # for images, the gap far exceeds the distance of the energy from its minimum


class FilterEncoders(DenseEncoders):
    """Encoders of convolutional models.

    Parameters
    ----------
    border : str
        Positions of the filters on images.
    learning_border : str
        Positions of the filters on the crops from which the model learns.
    """

    kinds = CONVOLUTIONAL_ENCODERS

    def __init__(self, border, learning_border):
        self.border = border
        self.learning_border = learning_border

    def first(self, name, decoder, alpha, scale, table=None, **settings):
        shape = decoder.dictionary.shape[1:3]  # of the images, until the first batch
        encoder = self.kinds[name].from_dictionary(
            decoder.dictionary, decoder.lipschitz, alpha, scale=scale, image_shape=shape,
            border=self.learning_border, table=table, **settings,
        )  # fmt: skip
        encoder.project()  # given filters may read channels to which they are not connected
        return encoder

    def to_use(self, encoder, table=None):
        return encoder.with_border(self.border).with_table(table)


class Filters(Atoms):
    """Dictionary of a model whose samples are images, as described by its parameters.

    Parameters
    ----------
    n_components, dictionary, dictionary_init
        As in `Atoms`. Filters have the shape (height, width, n_channels).
    kernel_size : int or tuple of int
        Height and width of the filters, unless filters are given.
    connections : None, int or array-like of shape (n_components, n_channels)
        Channels that each filter reads.
    border : str
        Positions of the filters.
    crop_size : None, int, tuple of int, "auto" or "patch"
        Size of the crops from which the model learns.
    rank_one : bool, default=False
        Whether learned filters are outer products of a waveform and a channel pattern.
    """

    learning_tol = LEARNING_TOL
    has_few_entries = False
    needs_new_moments = ("components_", "connections_")

    def __init__(self, n_components, dictionary, dictionary_init, *, kernel_size, connections,
                 border, crop_size, rank_one=False):  # fmt: skip
        super().__init__(n_components, dictionary, dictionary_init, USUAL_COMPONENTS)
        self.kernel_size = kernel_size
        self.connections = connections
        self.border = border
        self.crop_size = crop_size
        self.rank_one = rank_one
        self.learning_border = "valid" if _is_patch(crop_size) else border
        self.encoders = FilterEncoders(border, self.learning_border)

    # ------------------------------------------------------------------------------------- filters
    @property
    def smallest_image(self):
        """Smallest height and width of images."""
        given = self.first[0]
        if given is not None:
            shape = np.shape(given)
            full = {2: (1, *shape[1:]), 3: shape[1:], 4: shape[1:3]}
            return full.get(len(shape), (1, 1))  # other shapes are refused by `checked`
        return checked_size(self.kernel_size, "kernel_size")

    def check_samples(self, X, alpha):
        require_squares(X, alpha)

    def initial(self, X, weights, random_state):
        filters = self.first_values(X, weights, random_state)
        n_components, *_, n_channels = filters.shape
        table = connection_table(self.connections, n_components, n_channels, random_state)
        if table is not None:
            table = array_namespace(filters).asarray(table, dtype=filters.dtype)
            if not self.is_fixed:
                filters = _within_table(filters, table, random_state, self.init is not None)
        return filters, table

    def drawn(self, X, n_components, weights, random_state):
        size = window_shape(self.kernel_size, X.shape[1])
        return first_kernels(X, (n_components, *size), random_state, weights)

    def checked(self, given, n_components, like, name="dictionary"):
        filters = given if is_cupy(given) else np.asarray(given)
        n_channels = like.shape[3]
        if filters.ndim == 2:
            filters = filters[:, None, :, None]
        elif filters.ndim == 3:
            filters = filters[..., None]
        if filters.ndim != 4 or filters.shape[3] != n_channels:
            raise ValueError(
                f"{name} must have shape (n_components, height, width, {n_channels}) for images "
                f"with {n_channels} channels, got {np.shape(given)}. The last axis may be omitted "
                "if images have one channel, and the height if they are signals."
            )
        rows = check_dictionary(flat(filters), n_components, None, like.dtype, name)
        return rows.reshape(filters.shape)

    def normalized(self, dictionary, table=None):
        if table is not None:
            table = array_namespace(dictionary).asarray(table, dtype=dictionary.dtype)
            dictionary = dictionary * table[:, None, None, :]
        return unit_filters(dictionary)

    def decoder(self, dictionary, sample_shape):
        return ConvolutionalDecoder(dictionary, sample_shape[:2], self.border)

    def learning_decoder(self, dictionary):
        return ConvolutionalDecoder(dictionary, dictionary.shape[1:3], self.learning_border)

    def penalty(self, factor, n_components):
        return at_every_position(factor, n_components)

    def suits(self, decoder):
        return decoder.border_name == self.border

    # ------------------------------------------------------------------------------------ learning
    def trainer(self, dictionary, encoder, table=None):
        if table is not None:
            table = array_namespace(dictionary).asarray(table, dtype=dictionary.dtype)
        return Trainer(
            ConvolutionalDictionary(dictionary, self.learning_border, self.is_fixed, encoder, table)
        )

    def to_follow(self):
        rank_one = bool(self.rank_one)
        return {**super().to_follow(), "border": self.learning_border, "rank_one": rank_one}

    def samples(self, data, weights, trainer):
        shape = crop_shape(self.crop_size, data.shape[:2], trainer.criterion.dictionary.shape[1:3])
        return samples_of(data, weights, Crops(None, dtype=trainer.dtype, shape=shape))

    # ------------------------------------------------------------------------------ a fitted model
    def is_already(self, name, value, model):
        if name == "kernel_size":
            given, height = self.first[0], model._sample_shape[0]
            if given is not None:  # given filters have their own size
                return True
            filter_shape = model.components_.shape[1:3]
            return is_size(value) and window_shape(value, height) == filter_shape
        if name == "connections":
            return value is not None and is_same(np.asarray(value) != 0, model.connections_)
        return super().is_already(name, value, model)

    def read_codes(self, model, X, decoder, name="X"):
        X = X.toarray() if sparse.issparse(X) else X
        X, map_shape = checked_maps(model, X, decoder, name)
        return X, decoder.image_shape if map_shape is None else _image_shape(map_shape, decoder)

    def table_of(self, criterion):
        return None if criterion.table is None else to_host(criterion.table) > 0

    def checked_table(self, table, dictionary):
        if table is None:
            return None
        n_components, *_, n_channels = dictionary.shape
        return connection_table(np.asarray(table), n_components, n_channels, None, "connections_")


CONSTRAINTS = {  # of the parameters of convolutional models
    "kernel_size": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "border": [StrOptions(set(BORDERS))],
    "image_shape": IMAGE_SHAPE,
    "crop_size": [
        StrOptions({"auto", PATCH}), Interval(Integral, 1, None, closed="left"), "array-like", None,
    ],
    "connections": [Interval(Integral, 1, None, closed="left"), "array-like", None],
    "solver": [StrOptions({"auto", *CONVOLUTION_SOLVERS})],
}  # fmt: skip


def filters_of(model, **settings):
    """Return the filters of a convolutional model, as described by its parameters."""
    return Filters(
        model.n_components, model.dictionary, model.dictionary_init,
        kernel_size=model.kernel_size, connections=model.connections, border=model.border,
        crop_size=model.crop_size, **settings,
    )  # fmt: skip


def images_of(model, is_first=False):
    """Return the input adapter of a convolutional model."""
    smallest = filters_of(model).smallest_image if is_first else model.components_.shape[1:3]
    return Images(model.missing_values, model.image_shape, smallest)


def checked_maps(model, X, decoder, name):
    """Return codes as flat rows, and height and width of the maps; None if they were flat."""
    X = check_codes(X, allow_nd=True, order="C", input_name=name)
    n_maps = decoder.map_shape[2]
    if X.ndim == 4 and X.shape[3] == n_maps:
        return flat(X), X.shape[1:3]
    if X.ndim == 2 and X.shape[1] == decoder.code_size:
        return X, None
    height, width = decoder.image_shape
    raise ValueError(
        f"{name} has shape {tuple(X.shape)}, but {type(model).__name__} is expecting maps of "
        f"shape (n_samples, height, width, {n_maps}), or rows of {decoder.code_size} "
        f"entries for images of {height} x {width}."
    )


def _within_table(filters, table, random_state, is_given):
    """Return unit-norm filters that are zero in the channels to which they are not connected.

    A filter without any other non-zero entries is replaced by a random direction.
    """
    xp, table = array_namespace(filters), table[:, None, None, :]
    filters = unit_filters(filters * table)
    is_empty = ~xp.any(filters != 0, axis=(1, 2, 3), keepdims=True)
    if not bool(xp.any(is_empty)):
        return filters
    if is_given:
        names = ", ".join(str(k) for k in np.flatnonzero(to_host(is_empty)))
        raise ValueError(
            "Each filter of dictionary_init must be non-zero in at least one of its connected "
            f"channels, got zeros in filters {names}."
        )
    directions = xp.asarray(random_state.standard_normal(filters.shape), dtype=filters.dtype)
    return xp.where(is_empty, unit_filters(directions * table), filters)


def _image_shape(map_shape, decoder):
    """Return height and width of the images that have these maps."""
    filter_shape = decoder.dictionary.shape[1:3]
    shape = decoder.border.image_shape(map_shape, filter_shape)
    if any(size < each for size, each in zip(shape, filter_shape, strict=True)):
        least = decoder.border.map_shape(filter_shape, filter_shape)
        raise ValueError(
            f"X must contain maps of at least {least[0]} x {least[1]}, so that filters fit into "
            f"the images, got maps of {map_shape[0]} x {map_shape[1]}."
        )
    return shape


def _is_patch(crop_size):
    """Return whether crops have the size of the filters."""
    return isinstance(crop_size, str) and crop_size == PATCH


def crop_shape(crop_size, image_shape, filter_shape):
    """Return height and width of the crops of images of a given shape."""
    if crop_size is None:
        return tuple(image_shape)
    if _is_patch(crop_size):
        return tuple(filter_shape)
    automatic = tuple(KERNELS_A_CROP * size for size in filter_shape)
    return crop_within(image_shape, filter_shape, crop_size, automatic, "None, 'auto', 'patch'")


def crop_within(image_shape, filter_shape, crop_size, automatic, others):
    """Return height and width of crops that are in the images and contain a filter.

    Parameters
    ----------
    image_shape, filter_shape : tuple of two ints
        Height and width.
    crop_size : object
        A size, or a string for the automatic size.
    automatic : tuple of two ints
        Height and width of automatic crops.
    others : str
        Values that are accepted besides sizes, for the error message.
    """
    if not isinstance(crop_size, str) and not is_size(crop_size):
        raise ValueError(
            f"crop_size must be {others}, a positive integer or a pair of positive "
            f"integers, got {crop_size!r}."
        )
    is_automatic = isinstance(crop_size, str)
    wanted = automatic if is_automatic else window_shape(crop_size, image_shape[0])
    crop = tuple(min(pair) for pair in zip(wanted, image_shape, strict=True))
    if any(size < each for size, each in zip(crop, filter_shape, strict=True)):
        raise ValueError(
            f"crop_size must be at least the filter size {filter_shape}, got {crop_size!r}."
        )
    return crop


def is_size(value):
    """Return whether a value is a positive integer or a pair of them."""
    lengths = (value,) if np.ndim(value) == 0 else tuple(value)
    whole = all(isinstance(length, Integral) and length > 0 for length in lengths)
    return whole and len(lengths) in (1, 2) and (np.ndim(value) == 0 or len(lengths) == 2)


def checked_size(size, name):
    """Return a positive integer or a pair of them."""
    if not is_size(size):
        raise ValueError(
            f"{name} must be a positive integer or a pair of positive integers, got {size!r}."
        )
    return size


def unit_filters(filters):
    """Return filters scaled to norm one."""
    return array_namespace(filters).reshape(unit_rows(flat(filters)), filters.shape)


def names_of_maps(model, names):
    """Return the names of the features of a convolutional model: their map and their place in it.

    `names` has one entry per feature. Images have one feature per map, and rows one per position.
    """
    prefix = type(model).__name__.lower()
    height, width, n_maps = row_decoder(model).map_shape
    maps = [f"{prefix}_map{k}" for k in range(n_maps)]
    if len(names) == n_maps:
        return np.array(maps, dtype=object)
    rows = [""] if height == 1 else [f"_row{i}" for i in range(height)]
    places = [f"{row}_column{j}" for row in rows for j in range(width)]
    return np.array([name + place for place in places for name in maps], dtype=object)
