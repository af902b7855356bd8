"""What ConvSparseCoder and ConvPSD share: images at the door, learning from crops, maps."""

import math
from dataclasses import replace
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.callback import with_callbacks

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context
from sklearn_ebm.backends import array_namespace, is_cupy, resolve_backend, to_host
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.estimators._base import ALL_ROWS, DictionaryModel, unit_rows
from sklearn_ebm.estimators._connections import connection_table
from sklearn_ebm.factors import ConvolutionalDecoder, Energy, at_every_position
from sklearn_ebm.inputs._checks import (
    check_codes,
    check_dictionary,
    check_magnitude,
    require_castable,
    require_same_place,
)
from sklearn_ebm.inputs._image_checks import (
    check_mask,
    flat,
    require_observed,
    require_squares,
    without_unseen,
)
from sklearn_ebm.inputs._images import (
    IMAGE_SHAPE,
    check_images,
    check_values,
    full_shape,
    window_shape,
)
from sklearn_ebm.inputs._rows import is_nan, split_missing
from sklearn_ebm.layers._state import is_same, refusable
from sklearn_ebm.learning._crops import ConvolutionalLearner, Crops, first_kernels
from sklearn_ebm.solvers import CONVOLUTION_SOLVERS, refuse_underflow, require_certificate
from sklearn_ebm.solvers._inference import infer

USUAL_COMPONENTS = 32
KERNELS_A_CROP = 8  # kernels side by side that an automatic crop has room for
PATCH = "patch"  # crops as large as the kernels, which stand at one place of them
LEARNING_TOL = 0.1  # the gap of images is far above what their codes are from the optimum


def is_size(value):
    """Whether a value is a number or a pair of them, all positive."""
    lengths = (value,) if np.ndim(value) == 0 else tuple(value)
    whole = all(isinstance(length, Integral) and length > 0 for length in lengths)
    return whole and len(lengths) in (1, 2) and (np.ndim(value) == 0 or len(lengths) == 2)


class ConvolutionalModel(DictionaryModel):
    """Models whose decoder places kernels: x = sum_k d_k * z_k."""

    _model_attributes = (*DictionaryModel._model_attributes, "connections_")
    _needs_fit = (*DictionaryModel._needs_fit, "kernel_size", "connections")
    _needs_new_moments = ("components_", "connections_")
    _learning_tol = LEARNING_TOL

    _parameter_constraints: dict = {
        **DictionaryModel._parameter_constraints,
        "kernel_size": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "border": [StrOptions(set(BORDERS))],
        "image_shape": IMAGE_SHAPE,
        "crop_size": [
            StrOptions({"auto", PATCH}), Interval(Integral, 1, None, closed="left"),
            "array-like", None,
        ],
        "connections": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "solver": [StrOptions({"auto", *CONVOLUTION_SOLVERS})],
    }  # fmt: skip

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, mask=None):
        """Learn from random crops of images, a pass that covers them after another.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, n_channels]) or (n_samples, n_features)
            Images, best high-passed and of unit variance; or flat rows, which are signals without
            `image_shape`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each image in the objective.
        mask : array-like of the shape of X (channels may be left out) or None, default=None
            One, or True, where a pixel is observed; the others are left out of the reconstruction.
            X may contain anything there, NaN included.

        Returns
        -------
        object
            The fitted model. Where Ctrl-C ends fit, it is what the last whole batch left.
        """
        with refusable(self) as attempt:
            return self._learn(X, sample_weight, attempt, mask=mask)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None, mask=None):
        """Learn from one more chunk of images, once, by crops that lie side by side.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, n_channels]) or (n_samples, n_features)
            Images or flat rows. Images may have another size than those before.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each image.
        mask : array-like of the shape of X (channels may be left out) or None, default=None
            One where a pixel is observed.

        Returns
        -------
        object
            The model, moved by one step for each batch of crops.
        """
        with refusable(self) as attempt:
            return self._learn_once(X, sample_weight, attempt, mask=mask)

    def _prepare(self, X, reset, dtype=None, mask=None):
        images, _, mask, backend = self._images(X, mask, reset, dtype)
        require_squares(images, self._sparsity())
        return images, mask, backend

    def _images(self, X, mask, reset, dtype=None):
        """Images, the form that they came in, the mask of what is observed, and the backend."""
        shape, form, rows, observed = self._seen(X, mask, reset)
        check_magnitude(rows, self._degree, dtype)
        self._check_weights(rows.dtype if dtype is None else dtype)
        backend = resolve_backend(self.backend, rows)
        rows, observed = (
            None if part is None else backend.to_device(part) for part in (rows, observed)
        )
        xp = array_namespace(rows)
        if reset:
            self._form, self._fit_shape = form, shape[1:3]
        else:
            require_same_place(self, rows)
        images = xp.reshape(rows, shape)
        observed = None if observed is None else xp.reshape(observed, shape)
        return images, form, observed, backend

    def _seen(self, X, mask, reset):
        """Return shape and form of the images, and their rows with zeros for unobserved pixels."""
        allow_nan = is_nan(self.missing_values)
        images, form = check_images(
            self, X, reset=reset, image_shape=self.image_shape, smallest=self._smallest(reset),
            allow_nan=allow_nan, finite=mask is None,
        )  # fmt: skip
        if mask is not None:
            mask = check_mask(mask, images, form)
            images = without_unseen(images, mask)
            check_values(self, images, allow_nan)
        rows, observed = split_missing(flat(images), self.missing_values)
        if mask is not None:
            observed = mask if observed is None else observed * mask
            require_observed(observed)
        return images.shape, form, rows, observed

    def _smallest(self, reset):
        """Height and width that images need."""
        if not reset:
            return self.components_.shape[1:3] if hasattr(self, "components_") else (1, 1)
        given = self._given()[0]
        if given is not None:
            shape = np.shape(given)
            full = {2: (1, *shape[1:]), 3: shape[1:], 4: shape[1:3]}
            return full.get(len(shape), (1, 1))  # what is none of these is refused later
        if not is_size(self.kernel_size):
            raise ValueError(
                "kernel_size must be a positive integer or a pair of them; got "
                f"{self.kernel_size!r}."
            )
        return self.kernel_size

    def _given(self):
        """Kernels that users gave, and the parameter's name."""
        name = "dictionary" if self._is_fixed() else "dictionary_init"
        return getattr(self, name), name

    def _first_dictionary(self, X, weights, random_state):
        given, name = self._given()
        if given is not None:
            kernels = self._check_kernels(given, name, X)
            return kernels if self._is_fixed() else scaled(kernels)
        size = window_shape(self.kernel_size, X.shape[1])
        n_components = int(self.n_components or USUAL_COMPONENTS)
        return first_kernels(X, (n_components, *size), random_state, weights)

    def _check_kernels(self, given, name, X):
        """Kernels (n_components, height, width, n_channels), a copy, from what users give."""
        kernels = given if is_cupy(given) else np.asarray(given)
        n_channels = X.shape[3]
        if kernels.ndim == 2:
            kernels = kernels[:, None, :, None]
        elif kernels.ndim == 3:
            kernels = kernels[..., None]
        if kernels.ndim != 4 or kernels.shape[3] != n_channels:
            raise ValueError(
                f"{name} has shape {np.shape(given)}, but kernels of images with {n_channels} "
                "channels are (n_components, height, width, n_channels); the channels may be left "
                "out where there is one, and the height for signals."
            )
        rows = check_dictionary(flat(kernels), self.n_components, None, X.dtype, name)
        return array_namespace(X).asarray(rows.reshape(kernels.shape), copy=True)

    def _first_learner(self, X, weights, random_state, first=ALL_ROWS):
        kernels = self._first_dictionary(X, weights, random_state)
        table = connection_table(self.connections, kernels.shape[0], kernels.shape[3], random_state)
        if table is not None:
            table = array_namespace(kernels).asarray(table, dtype=kernels.dtype)
            if not self._is_fixed():
                kernels = self._within_table(kernels, table, random_state)
        scale = self._first_scale(kernels, X, weights, first)
        return self._learner_of(kernels, self._first_encoder(kernels, scale, table), table)

    def _learner_of(self, dictionary, encoder, table=None):
        if table is not None:
            table = array_namespace(dictionary).asarray(table, dtype=dictionary.dtype)
        return ConvolutionalLearner(
            dictionary, self._learning_border(), self._is_fixed(), encoder, table
        )

    def _within_table(self, kernels, table, random_state):
        """Return unit-norm kernels that are zero in the channels that they must not read.

        A kernel without any other non-zeros is replaced by a random direction.
        """
        xp, table = array_namespace(kernels), table[:, None, None, :]
        kernels = scaled(kernels * table)
        is_empty = ~xp.any(kernels != 0, axis=(1, 2, 3), keepdims=True)
        if not bool(xp.any(is_empty)):
            return kernels
        if self.dictionary_init is not None:
            names = ", ".join(str(k) for k in np.flatnonzero(to_host(is_empty)))
            raise ValueError(
                "dictionary_init has kernels that are zero in every channel that connections let "
                f"them read: {names}. Every kernel needs a direction."
            )
        directions = xp.asarray(random_state.standard_normal(kernels.shape), dtype=kernels.dtype)
        return xp.where(is_empty, scaled(directions * table), kernels)

    def _first_encoder(self, dictionary, scale, table=None):
        return None

    def _go_on(self, learner, backend):
        state = self._last_state
        change = self._change_since_fit(("kernel_size", "connections"), state.fitted_with)
        if change:
            raise ValueError(f"{change} Set warm_start=False.")
        learner.border = self._learning_border()
        super()._go_on(learner, backend)

    def _samples(self, X, mask, weights, backend):
        learner = self._learner
        shape = self._crop_shape(X.shape[1:3], learner.dictionary.shape[1:3])
        return Crops(X, mask, weights, dtype=learner.dtype, shape=shape)

    def _learns_from_patches(self):
        return isinstance(self.crop_size, str) and self.crop_size == PATCH

    def _learning_border(self):
        """Where kernels may stand in crops."""
        return "valid" if self._learns_from_patches() else self.border

    def _crop_shape(self, image_shape, kernel_shape):
        if self.crop_size is None:
            return tuple(image_shape)
        if self._learns_from_patches():
            return tuple(kernel_shape)
        if isinstance(self.crop_size, str):
            wanted = tuple(KERNELS_A_CROP * size for size in kernel_shape)
        elif is_size(self.crop_size):
            wanted = window_shape(self.crop_size, image_shape[0])
        else:
            raise ValueError(
                "crop_size must be None, 'auto', 'patch', a positive integer or a pair of them; "
                f"got {self.crop_size!r}."
            )
        crop = tuple(min(pair) for pair in zip(wanted, image_shape, strict=True))
        if any(size < kernel for size, kernel in zip(crop, kernel_shape, strict=True)):
            raise ValueError(
                f"crop_size={self.crop_size!r} is smaller than the kernels, {kernel_shape}."
            )
        return crop

    def _parts_of(self, learner):
        table = learner.table
        table = None if table is None else to_host(table) > 0
        return replace(super()._parts_of(learner), table=table)

    def _published(self, parts):
        return {**super()._published(parts), "connections_": parts.table}

    def _parts_from(self, state, replaced):
        parts = super()._parts_from(state, replaced)
        is_known = state.parts is not None and "connections_" not in replaced
        return replace(parts, table=state.parts.table if is_known else self._checked_table())

    def _checked_table(self):
        """A copy of the connections, which users may have replaced."""
        if self.connections_ is None:
            return None
        n_components, *_, n_channels = self.components_.shape
        table = np.asarray(self.connections_)
        return connection_table(table, n_components, n_channels, None, "connections_")

    def _unit_atoms(self, kernels):
        table = self._parts.table
        if table is not None:
            table = array_namespace(kernels).asarray(table, dtype=kernels.dtype)
            kernels = kernels * table[:, None, None, :]
        return scaled(kernels)

    def _has_anyway(self, name, value):
        if name == "kernel_size":
            given, height = self._given()[0], self._fit_shape[0]
            fits = is_size(value) and window_shape(value, height) == self.components_.shape[1:3]
            return given is not None or fits  # given kernels have their own size
        if name == "connections":
            return value is not None and is_same(np.asarray(value) != 0, self.connections_)
        return super()._has_anyway(name, value)

    def _is_given(self, dictionary):
        given = self._check_kernels(self.dictionary, "dictionary", dictionary)
        return is_same(given, dictionary)

    def _new_decoder(self, components):
        return ConvolutionalDecoder(components, self._fit_shape, self.border)

    def _new_penalty(self, n_components):
        return at_every_position(super()._new_penalty(n_components), n_components)

    def _decoder_on(self, image_shape, dtype):
        dictionary = self._parts.decoder.dictionary
        require_castable(dictionary, np.dtype(dtype))
        decoder = ConvolutionalDecoder(dictionary, image_shape, self.border)
        return decoder.astype(np.dtype(dtype))

    def _energy(self, images):
        decoder = self._decoder_on(images.shape[1:3], images.dtype)
        return Energy(decoder, self._parts.penalty, float(getattr(self, "beta", 0.0)))

    def _optimal(self, X, mask, backend, sparse_output=False):
        code, _ = infer(
            self._energy(X), flat(X), solver=self.solver, tol=float(self.code_tol),
            max_iter=int(self.code_max_iter), backend=backend, mask=flat(mask),
            prediction=self._predictor(X, backend), sparse_output=sparse_output,
        )  # fmt: skip
        return code

    def _predictor(self, X, backend):
        """f of flat images, where the energy has a term that draws codes to it."""
        return None

    def _features(self, X, mask, backend):
        return self._optimal(X, mask, backend, self.sparse_output)

    def transform(self, X, mask=None):
        """Infer the maps of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, n_channels]) or (n_samples, n_features)
            Images, of any size that a kernel fits in; or flat rows as in fit.
        mask : array-like of the shape of X (channels may be left out) or None, default=None
            One where a pixel is observed.

        Returns
        -------
        ndarray of shape (n_samples, map_height, map_width, n_components) or csr_array
            Maps in the type of X; the same as rows where X was rows, and CSR rows with
            `sparse_output=True`.
        """
        self._ready()
        images, form, mask, backend = self._images(X, mask, reset=False)
        features = self._features(images, mask, backend)
        if sparse.issparse(features):
            return features
        if self.sparse_output:
            return sparse.csr_array(to_host(features))
        if form.is_flat:
            return features
        return self._decoder_on(images.shape[1:3], images.dtype).as_maps(features)

    def inverse_transform(self, X):
        """Reconstruction sum_k d_k * z_k of maps.

        Parameters
        ----------
        X : array-like of shape (n_samples, map_height, map_width, n_components) or \
                {array, sparse array} of shape (n_samples, n_numbers)
            Maps, or rows of them that belong to images of the size in fit.

        Returns
        -------
        ndarray of shape (n_samples, height, width[, n_channels]) or (n_samples, n_features)
            Images, or rows, as X was in fit.
        """
        self._ready()
        maps = self._check_maps(X, self._shape_of_rows())
        decoder = self._decoder_on(self._image_shape(maps.shape[1:3]), maps.dtype)
        decoder = decoder.on(resolve_backend(self.backend, maps))
        images = decoder.as_images(decoder.decode(flat(maps)))
        return self._form.restore(images)

    def _image_shape(self, map_shape):
        """Height and width of the images of maps, which a kernel must fit in."""
        kernel_shape = self.components_.shape[1:3]
        border = BORDERS[self.border](kernel_shape)
        shape = border.image_shape(map_shape, kernel_shape)
        if any(size < kernel for size, kernel in zip(shape, kernel_shape, strict=True)):
            least = border.map_shape(kernel_shape, kernel_shape)
            raise ValueError(
                f"X has maps of {map_shape[0]} x {map_shape[1]}, but images that a kernel fits in "
                f"have maps of at least {least[0]} x {least[1]}."
            )
        return shape

    def _check_maps(self, X, image_shape):
        """Maps (n_samples, height, width, n_components), or rows of those of such images."""
        if sparse.issparse(X):
            X = X.toarray()
        X = check_codes(X, allow_nd=True, order="C")
        expected = self._decoder_on(image_shape, X.dtype).map_shape
        if X.ndim == 4 and X.shape[3] == expected[2]:
            return X
        if X.ndim == 2 and X.shape[1] == math.prod(expected):
            return X.reshape(-1, *expected)
        raise ValueError(
            f"X has shape {tuple(X.shape)}, but {type(self).__name__} is expecting maps "
            f"(n_samples, height, width, {expected[2]}), or rows of {math.prod(expected)} numbers "
            f"for images of {image_shape[0]} x {image_shape[1]}."
        )

    def energy(self, X, mask=None):
        """F(x) = min_z E(x, z) of each image: low near the data that was learned from.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, n_channels]) or (n_samples, n_features)
            Images or flat rows.
        mask : array-like of the shape of X (channels may be left out) or None, default=None
            One where a pixel is observed.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, in squared units of X.
        """
        self._ready()
        images, _, mask, backend = self._images(X, mask, reset=False)
        predictor = self._predictor(images, backend)
        predicted = None if predictor is None else predictor(flat(images))
        code = self._optimal(images, mask, backend)
        energy = self._energy(images).on(backend)
        return energy.value(flat(images), code, predicted, flat(mask))

    def duality_gap(self, X, code, mask=None):
        """How far the energy of some maps is above the least there is, at the most.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, n_channels]) or (n_samples, n_features)
            Images or flat rows.
        code : array-like of shape (n_samples, map_height, map_width, n_components) or rows
            Maps of X, for instance those of `transform`.
        mask : array-like of the shape of X (channels may be left out) or None, default=None
            One where a pixel is observed.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Relative to 1/2 ||x||^2, computed in double precision. Infinite if `positive=True` and
            a map has negative entries, or if float64 cannot hold the gap.

        Raises
        ------
        ValueError
            If shapes do not fit, squares of X underflow, or the penalty has no certificate.
        """
        self._ready()
        require_certificate(self._parts.penalty, "duality_gap")
        images, _, mask, backend = self._images(X, mask, reset=False)
        maps = self._check_maps(code, images.shape[1:3])
        images, mask, code = (_in_double(array) for array in (images, mask, flat(maps)))
        predictor = self._predictor(images, backend)
        predicted = None if predictor is None else predictor(flat(images))
        problem = self._energy(images).problem(flat(images), predicted, flat(mask))
        if code.shape != (images.shape[0], problem.decoder.code_size):
            raise ValueError(
                f"code has shape {tuple(maps.shape)}, but these are not the maps of X, of shape "
                f"{tuple(images.shape)}."
            )
        refuse_underflow(problem)
        with np.errstate(over="ignore", invalid="ignore"):
            gap = problem.on(backend).relative_gap(code)
        return _infinite_if_refuted(gap, code, self.positive)

    def score_samples(self, X, mask=None):
        """The negative energy of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, n_channels]) or (n_samples, n_features)
            Images or flat rows.
        mask : array-like of the shape of X (channels may be left out) or None, default=None
            One where a pixel is observed.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher is better.
        """
        return -self.energy(X, mask)

    def score(self, X, y=None, mask=None):
        """The mean of `score_samples`.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, n_channels]) or (n_samples, n_features)
            Images or flat rows.
        y : None
            Ignored.
        mask : array-like of the shape of X (channels may be left out) or None, default=None
            One where a pixel is observed.

        Returns
        -------
        float
            Higher is better.
        """
        return float(self.score_samples(X, mask).mean())

    @property
    def _n_features_out(self):
        """Numbers in a row of codes; of images, the maps."""
        self._ready()
        decoder = self._decoder_on(self._shape_of_rows(), self.components_.dtype)
        return decoder.code_size if self._form.is_flat else decoder.map_shape[2]

    def _shape_of_rows(self):
        """Height and width of images in flat rows."""
        return self._fit_shape if self.image_shape is None else full_shape(self.image_shape)[:2]


def scaled(kernels):
    """Kernels of norm one."""
    return array_namespace(kernels).reshape(unit_rows(flat(kernels)), kernels.shape)


def _in_double(array):
    return None if array is None else array_namespace(array).asarray(array, dtype="float64")


def _infinite_if_refuted(gap, code, positive):
    """Infinity for codes that are infeasible, or whose gap overflowed and is not a number."""
    xp = array_namespace(gap)
    refuted = xp.isnan(gap)
    if positive:
        refuted = refuted | xp.any(code < 0, axis=1)
    return xp.where(refuted, xp.inf, gap)
