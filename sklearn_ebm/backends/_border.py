"""Positions of the filters of a convolutional decoder, relative to the image.

The code at position q covers the pixels q - before, ..., q - before + size - 1 in each direction:
`before` and `after` are the numbers of pixels by which filters exceed the edges. Pixels beyond an
edge are unobserved: they are not compared with the image. A circular border has no edges.

Shapes are (height, width), images (n_samples, height, width, n_channels) and maps (n_samples,
height, width, n_components) throughout.
"""

from typing import NamedTuple

from sklearn_ebm.backends._namespace import array_namespace


class Border(NamedTuple):
    """Numbers of pixels by which filters exceed the edges, and whether images wrap around."""

    before: tuple  # (top, left)
    after: tuple  # (bottom, right)
    circular: bool

    def map_shape(self, image_shape, kernel_shape):
        """Return the height and width of the maps of an image."""
        if self.circular:
            return tuple(image_shape[:2])
        sizes = zip(image_shape, kernel_shape, self.before, self.after, strict=False)
        return tuple(image + first + last - kernel + 1 for image, kernel, first, last in sizes)

    def image_shape(self, map_shape, kernel_shape):
        """Return the height and width of the images of maps."""
        if self.circular:
            return tuple(map_shape[:2])
        sizes = zip(map_shape, kernel_shape, self.before, self.after, strict=False)
        return tuple(maps - first - last + kernel - 1 for maps, kernel, first, last in sizes)

    def extend(self, images, kernel_shape):
        """Return all pixels that a filter can cover: images padded with zeros or wrapped around."""
        (top, left), (bottom, right) = self.before, self.after
        if self.circular:
            bottom, right = (size - 1 for size in kernel_shape[:2])
        n_samples, height, width, n_channels = images.shape
        shape = n_samples, height + top + bottom, width + left + right, n_channels
        canvas = array_namespace(images).zeros(shape, dtype=images.dtype)
        canvas[:, top : top + height, left : left + width, :] = images
        if self.circular:
            canvas[:, height:, :width, :] = images[:, :bottom, :, :]
            canvas[:, :, width:, :] = canvas[:, :, :right, :]
        return canvas

    def fold(self, canvas, image_shape):
        """Return the adjoint of `extend`: pixels beyond an edge are dropped, or wrapped around."""
        (top, left), (height, width) = self.before, image_shape[:2]
        if not self.circular:
            return canvas[:, top : top + height, left : left + width, :]
        image = array_namespace(canvas).asarray(canvas[:, :, :width, :], copy=True)
        overhang = canvas.shape[2] - width
        image[:, :, :overhang, :] += canvas[:, :, width:, :]
        overhang = canvas.shape[1] - height
        image[:, :overhang, :, :] += image[:, height:, :, :]
        return image[:, :height, :, :]


def _full(kernel_shape):
    reach = tuple(size - 1 for size in kernel_shape[:2])
    return Border(reach, reach, False)


def _same(kernel_shape):
    before = tuple((size - 1) // 2 for size in kernel_shape[:2])
    return Border(before, tuple(size // 2 for size in kernel_shape[:2]), False)


BORDERS = {  # by name, as functions of the shape of the filters
    "full": _full,
    "same": _same,
    "valid": lambda kernel_shape: Border((0, 0), (0, 0), False),
    "circular": lambda kernel_shape: Border((0, 0), (0, 0), True),
}
