"""Places of units that have their own filters, on maps that are finer than their images.

Map rows i and columns j are numbered at the positions at which whole filters are in the image. With
`fineness` units per pixel in each direction, the top left corner of a filter is at the pixel
(i // fineness, j // fineness). Filters repeat on maps with the period of a tile.
"""

from typing import NamedTuple

from sklearn_ebm.backends._namespace import array_namespace


class Places(NamedTuple):
    """Density of the units of a map, and the place of the tile.

    Attributes
    ----------
    fineness : int
        Number of units per pixel in each direction.
    phase : tuple of two ints
        Row and column in the tile of the first unit of a map.
    """

    fineness: int = 1
    phase: tuple = (0, 0)

    def map_shape(self, image_shape, kernel_shape):
        """Return the number of rows and columns of the map of an image."""
        sizes = zip(image_shape, kernel_shape, strict=False)
        return tuple(self.fineness * max(0, image - kernel + 1) for image, kernel in sizes)

    def image_shape(self, map_shape, kernel_shape):
        """Return the height and width of the images of maps."""
        sizes = zip(map_shape, kernel_shape, strict=False)
        return tuple(length // self.fineness + kernel - 1 for length, kernel in sizes)

    def members(self, map_shape, tile_shape, like):
        """Return the rows and the columns of the tile for each row and column of a map."""
        xp = array_namespace(like)
        return tuple(
            (first + xp.arange(length)) % period
            for length, period, first in zip(map_shape, tile_shape, self.phase, strict=False)
        )
