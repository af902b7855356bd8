"""The decoder of maps whose places have different filters."""

import math

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, in_type
from sklearn_ebm.backends._places import Places
from sklearn_ebm.factors.decoders._convolutional import ConvolutionalDecoder, changed
from sklearn_ebm.factors.problems._power import largest_of_operator, random_vectors

IMAGES_AT_ONCE = 16  # images with which a filter is multiplied when it is read
TILES, FILTERS = 2, 3  # size of a map on which the largest eigenvalue is computed, at least


@stored
class LocalDecoder(ConvolutionalDecoder):
    """Reconstruction sum_u z_u d_u(. - p_u) of images of one size; images and maps are flat rows.

    Parameters
    ----------
    dictionary : array of shape (n_units, kernel_height, kernel_width, n_channels)
        Filters of the units of a tile, row by row.
    image_shape : tuple of int
        Height and width of the images.
    tile_shape : tuple of two ints or None
        Rows and columns of the units of a tile. None is for units that do not repeat: the tile is
        the map of an image.
    places : Places
        Density of the units of a map, and the place of the tile.
    """

    piece_rows = IMAGES_AT_ONCE

    def __init__(self, dictionary, image_shape, tile_shape, places):
        super().__init__(dictionary, image_shape, "valid")
        self.tile_shape = None if tile_shape is None else tuple(tile_shape)
        self.places = Places(*places)
        self.vectors = None

    def __getstate__(self):
        """Store the parameters, and the curvature, which iterations may have computed elsewhere."""
        lipschitz = self._computed.get("lipschitz")
        return self.dictionary, self.image_shape, self.tile_shape, tuple(self.places), lipschitz

    def __setstate__(self, state):
        *parameters, lipschitz = state
        self.__init__(*parameters)
        if lipschitz is not None:
            self._computed["lipschitz"] = lipschitz

    @property
    def map_shape(self):
        """Height and width of the map, and one, since there is a single map."""
        return *self.places.map_shape(self.image_shape, self.dictionary.shape[1:3]), 1

    @property
    def period(self):
        """Rows and columns of the map after which filters repeat."""
        return self.map_shape[:2] if self.tile_shape is None else self.tile_shape

    def _tiled(self, filters):
        """Return filters by row and column of the tile."""
        return array_namespace(filters).reshape(filters, (*self.period, *filters.shape[1:]))

    def with_filters(self, dictionary):
        """Return the decoder with other filters of the same shape."""
        decoder = type(self)(dictionary, self.image_shape, self.tile_shape, self.places)
        return decoder.on(self._products)

    def with_curvature(self, lipschitz, vectors):
        """Return the decoder with the results of `curvature`."""
        return changed(self, _computed={"lipschitz": lipschitz}, vectors=vectors)

    @property
    def lipschitz(self):
        """Upper estimate of the largest eigenvalue of D'D, for maps of any size."""
        if "lipschitz" not in self._computed:
            self._computed["lipschitz"] = self.curvature()[0]
        return self._computed["lipschitz"]

    def curvature(self, vectors=None, max_iter=None):
        """Return an upper estimate of the largest eigenvalue of D'D, and vectors.

        Parameters
        ----------
        vectors : array or None, default=None
            Vectors of a call for similar filters, from which the iteration starts.
        max_iter : int or None, default=None
            Maximum number of iterations. None uses the default.

        Returns
        -------
        lipschitz : float
        vectors : array
        """
        decoder = self._whole_tiles()
        if vectors is None:
            vectors = random_vectors(decoder.code_size, self.dictionary)
        limit = {} if max_iter is None else {"max_iter": max_iter}

        def product(rows):
            return decoder.correlate(decoder.decode(rows))

        return largest_of_operator(product, vectors, **limit)

    def _whole_tiles(self):
        """Return the decoder of a map of some tiles, whose curvature is that of larger maps."""
        filter_shape, fineness = self.dictionary.shape[1:3], self.places.fineness
        if self.tile_shape is None:
            return self
        shape = []
        for units, size in zip(self.tile_shape, filter_shape, strict=True):
            tile = units // fineness
            n_tiles = max(TILES, -(-FILTERS * size // tile))
            shape.append(n_tiles * tile + size - 1)
        return changed(self, image_shape=tuple(shape), places=Places(fineness))

    def usage(self, code):
        """Return how often each unit of the tile is used, and how often it occurs in the maps."""
        xp = array_namespace(code)
        is_on = in_type(self.as_maps(code)[..., 0] != 0, xp.float64)
        ones = xp.ones(self.map_shape[:2], dtype=xp.float64)
        used, present = self.by_unit(xp.sum(is_on, axis=0)), self.by_unit(ones)
        return used, present * code.shape[0]

    def by_unit(self, values):
        """Return sums over the places of each unit, (n_units,), of one number for each place."""
        xp = array_namespace(values)
        is_row, is_column = self._membership(values)
        sums = is_row @ xp.reshape(values, self.map_shape[:2]) @ is_column.T
        return xp.reshape(sums, (-1,))

    def at_places(self, values):
        """Return the value of the unit of each place of the map, (code_size,)."""
        xp = array_namespace(values)
        rows, columns = self._members(values)
        grid = xp.reshape(values, self.period)
        return xp.reshape(xp.take(xp.take(grid, rows, axis=0), columns, axis=1), (-1,))

    def _members(self, like):
        return self.places.members(self.map_shape[:2], self.period, like)

    def _membership(self, like):
        """Return one if a row or column of the map belongs to one of the tile, else zero."""
        xp = array_namespace(like)
        return tuple(
            in_type(member[None, :] == xp.arange(period)[:, None], like.dtype)
            for member, period in zip(self._members(like), self.period, strict=True)
        )

    def decode(self, code):
        """Return sum_u z_u d_u(. - p_u) of each row."""
        xp = array_namespace(code)
        shape = code.shape[0], math.prod(self.image_shape) * self.dictionary.shape[3]
        rows = xp.empty(shape, dtype=code.dtype)
        maps, images = self.as_maps(code)[..., 0], self.as_images(rows)
        self._products_for(code).local_synthesize(
            maps, self._tiled(self.dictionary), self.places, images
        )
        return rows

    def correlate(self, X, rows=None):
        """Return the products of the filters with the windows at their places.

        The result is written to `rows` if given.
        """
        if rows is None:
            rows = array_namespace(X).empty((X.shape[0], self.code_size), dtype=X.dtype)
        images, maps = self.as_images(X), self.as_maps(rows)[..., 0]
        self._products_for(X).local_correlate(
            images, self._tiled(self.dictionary), self.places, maps
        )
        return rows

    def add_filter_gradient(self, code, X, gradient):
        """Add the sums of code times image under the filters to `gradient`."""
        maps, images = self.as_maps(code)[..., 0], self.as_images(X)
        self._products_for(code).local_correlate_kernels(
            maps, images, self.places, self._tiled(gradient)
        )
        return gradient
