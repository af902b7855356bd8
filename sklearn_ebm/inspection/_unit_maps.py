"""Maps of units: their shape, and the colours of orientations."""

import math
from numbers import Integral

import numpy as np
from sklearn.utils import check_array

from sklearn_ebm.backends import to_host

UNORIENTED = 0.45  # grey level of filters that do not resemble Gabor functions
WHEEL_SHARE = 0.2  # width of the wheel, relative to the map
WHEEL_PIXELS = 129
HUB = 0.3  # inner radius of the wheel; directions near the centre cannot be distinguished


def map_of(estimator, remedy):
    """Return the shape of the map of an estimator or of its penalty, and whether it is a torus.

    A map of filters that repeat with the period `tile_shape` is a torus.
    """
    if hasattr(estimator, "map_shape_"):
        return estimator.map_shape_, getattr(estimator, "tile_shape", None) is not None
    for owner in (estimator, getattr(estimator, "penalty", None)):
        map_shape = getattr(owner, "map_shape", None)
        if map_shape is not None:
            return map_shape, bool(getattr(owner, "torus", True))
    raise ValueError(
        f"estimator must have the attribute map_shape, got {type(estimator).__name__}. "
        f"Pass a shape to {remedy}."
    )


def as_rows(components, image_shape):
    """Return filters as rows, and the shape of their images.

    Filters (n_components, height, width, n_channels) have their own shape.
    """
    components = to_host(components)
    if components.ndim == 4:
        image_shape = components.shape[1 : 3 if components.shape[3] == 1 else 4]
        components = components.reshape(len(components), -1)
    return check_array(components, input_name="components"), image_shape


def checked_map_shape(map_shape, n_components):
    """Return the number of rows and columns of the map, which must be positive integers."""
    shape = tuple(map_shape) if np.iterable(map_shape) else (map_shape,)
    whole = all(isinstance(length, Integral) and length > 0 for length in shape)
    if len(shape) != 2 or not whole or math.prod(shape) != n_components:
        raise ValueError(
            "map_shape must be a pair (rows, columns) of positive integers with a product of "
            f"n_components={n_components}, got {map_shape!r}."
        )
    return shape


def orientation_colours(orientation, cmap):
    """Return the colours of orientations; half a turn is one cycle of the colour map.

    NaN has the colour of 0.
    """
    return colours_of(np.mod(np.nan_to_num(orientation), np.pi) / np.pi, cmap)


def colours_of(values, cmap):
    """Return red, green and blue of values from 0 to 1, as the last axis."""
    import matplotlib as mpl

    return mpl.colormaps.get_cmap(cmap)(values)[..., :3]


def draw_wheel(axes, cmap):
    """Draw a wheel; each of its diameters has the colour of stripes in that direction."""
    from matplotlib.colorbar import make_axes

    wheel, _ = make_axes(axes, location="right", fraction=WHEEL_SHARE, aspect=1, anchor=(0, 0.9))
    rightwards = np.linspace(-1.05, 1.05, WHEEL_PIXELS)  # so that the rim is not cut off
    upwards = -rightwards[:, None]  # the first row is at the top
    colours = orientation_colours(np.arctan2(upwards, rightwards), cmap)
    radius = np.hypot(upwards, rightwards)
    opaque = (radius >= HUB) & (radius <= 1)
    wheel.imshow(np.dstack([colours, opaque]), interpolation="nearest")
    wheel.set_axis_off()
    wheel.set_title("Stripes", fontsize="small")
    return wheel
