"""Mosaics: rows of features as tiles of one picture."""

import math

import numpy as np

GAP = 1  # number of pixels between tiles


def tile_shape(image_shape, n_features):
    """Return the shape of a tile. If it is not given, tiles must be square."""
    side = math.isqrt(n_features)
    if image_shape is None and side**2 == n_features:
        return side, side
    if image_shape is None:
        raise ValueError(
            "image_shape must be given if n_features is not a square number, got "
            f"n_features={n_features}. Pass image_shape=(height, width) or (height, width, 3)."
        )
    shape = tuple(image_shape)
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or math.prod(shape) != n_features:
        raise ValueError(
            f"image_shape must be (height, width) or (height, width, 3) with a product of "
            f"n_features={n_features}, got {shape}."
        )
    return shape


def scaled_tiles(components, image_shape):
    """Return rows as pictures, each divided by its largest absolute value unless that is zero."""
    rows = np.asarray(components, dtype=np.float64)
    largest = abs(rows).max(axis=1, keepdims=True)
    return (rows / np.where(largest > 0, largest, 1)).reshape(-1, *image_shape)


def columns_of_square(n_tiles, image_shape):
    """Return the number of tiles in a row for which a mosaic is approximately square."""
    height, width = image_shape[:2]
    # columns * width = rows * height, up to rounding
    return math.ceil(math.sqrt(n_tiles * height / width))


def arrange(tiles, n_columns):
    """Arrange tiles in rows, with NaN in the gaps.

    Tiles have the shape (n_tiles, height, width) or (n_tiles, height, width, 3). The result has the
    shape (height, width) or (height, width, 3).
    """
    height, width, *channels = tiles.shape[1:]
    n_rows = math.ceil(len(tiles) / n_columns)
    canvas = np.full(
        (n_rows * (height + GAP) - GAP, n_columns * (width + GAP) - GAP, *channels), np.nan
    )
    for index, tile in enumerate(tiles):
        top = index // n_columns * (height + GAP)
        left = index % n_columns * (width + GAP)
        canvas[top : top + height, left : left + width] = tile
    return canvas


def draw(axes, values, cmap):
    """Draw a mosaic of values from -1 to 1, without ticks. Gaps are black for all colour maps."""
    import matplotlib as mpl

    axes.set_axis_off()
    if values.ndim == 3:
        return axes.imshow(np.nan_to_num((values + 1) / 2), interpolation="nearest")
    colours = mpl.colormaps.get_cmap(cmap).with_extremes(bad="black")
    return axes.imshow(values, cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
