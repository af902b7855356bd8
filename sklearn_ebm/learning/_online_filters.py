"""Online learning of convolutional filters from sufficient statistics.

The energy of all images so far is a quadratic function of the filters, whose coefficients are the
correlations of maps with maps, A, and of maps with images, B. The method of Mairal et al. (2009)
for patches applies, with one moment for each shift. Unobserved pixels, beyond an edge or missing,
are replaced by the reconstruction. The resulting function majorises the energy and equals it at
the current filters.
"""

import math

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, put_rows
from sklearn_ebm.backends._border import Border
from sklearn_ebm.backends.numpy._convolutional_moments import of_all_shifts
from sklearn_ebm.backends.numpy._rank_one import of_rank_one
from sklearn_ebm.learning._online_dictionary import PATIENCE, OnlineDictionary

SWEEPS = 5  # per batch; more than for patches, since each filter overlaps all shifts of all others
FORGETTING = 16.0  # an image has thousands of windows, and its codes are soon outdated
INSIDE = Border((0, 0), (0, 0), False)


@stored
class OnlineKernels(OnlineDictionary):
    """Filters of unit norm and the moments A_kl[s], B_k[u] that determine their updates.

    Parameters
    ----------
    kernels : array of shape (n_components, height, width, n_channels)
        Filters of unit norm, changed in place by `update`.
    table : array of shape (n_components, n_channels) or None, default=None
        1 if a filter may read a channel, else 0.
    rank_one : bool, default=False
        Whether filters are outer products of a waveform and a channel pattern, as are the initial
        filters.
    """

    forgetting = FORGETTING

    def __init__(self, kernels, table=None, rank_one=False):
        super().__init__(kernels)
        xp = array_namespace(kernels)
        n_components = kernels.shape[0]
        shape = n_components, n_components, 1, 1  # enlarged when maps have more than one position
        self.code_moment = xp.zeros(shape, dtype=kernels.dtype)
        self.table = table
        self.rank_one = rank_one

    def contributor(self):
        """Return the kernels themselves, since `contribution` needs the shape of the moments."""
        return self

    def contribution(self, decoder, X, mask, code, weight, backend, tape=None):
        """Return the moments of some images and their codes, by the parameters of `absorb`."""
        xp = array_namespace(code)
        maps = decoder.as_maps(code)
        reach = self._reach_over(maps, decoder.border)
        weighted = maps * xp.reshape(weight, (-1, 1, 1, 1)) if bool(xp.any(weight != 1)) else maps
        shape = *self.code_moment.shape[:2], *(2 * length - 1 for length in reach)
        moments = [xp.zeros(shape, dtype=code.dtype), xp.zeros_like(self.cross_moment)]
        canvas, border = self._filled(decoder, X, mask, code, backend)
        backend.add_code_moment(weighted, maps, border.circular, moments[0])
        backend.correlate_kernels(weighted, canvas, border, moments[1])
        return {"code_moment": moments[0], "cross_moment": moments[1]}

    def _reach_over(self, maps, border):
        """Return the largest overlap of filters on such maps, but at least the previous one."""
        kernel_shape, map_shape = self.dictionary.shape[1:3], maps.shape[1:3]
        reach = kernel_shape
        if not border.circular:
            reach = [min(pair) for pair in zip(kernel_shape, map_shape, strict=True)]
        now = [(size + 1) // 2 for size in self.code_moment.shape[2:]]
        return [max(pair) for pair in zip(reach, now, strict=True)]

    def absorb(self, code_moment, cross_moment):
        """Add the moments of a batch, after enlarging the stored moments to all of its shifts."""
        reach = [(size + 1) // 2 for size in code_moment.shape[2:]]
        self.code_moment = of_all_shifts(self.code_moment, reach)
        super().absorb(code_moment, cross_moment)

    def _filled(self, decoder, X, mask, code, backend):
        """Return all pixels that filters cover, with reconstructions of unobserved pixels."""
        xp, border = array_namespace(X), decoder.border
        images = decoder.as_images(X)
        if border.circular:
            if mask is not None:
                X = X + (1 - mask) * decoder.on(backend).decode(code)
            return decoder.as_images(X), border
        n_samples, height, width, n_channels = images.shape
        (top, left), (bottom, right) = border.before, border.after
        shape = n_samples, height + top + bottom, width + left + right, n_channels
        canvas = xp.empty(shape, dtype=X.dtype)
        backend.synthesize(decoder.as_maps(code), self.dictionary, INSIDE, canvas)
        inside = canvas[:, top : top + height, left : left + width, :]
        if mask is None:
            inside[...] = images
        else:
            inside[...] = xp.where(decoder.as_images(mask) > 0, images, inside)
        return canvas, INSIDE

    def restrict(self, rank_one):
        """Set whether filters have rank one, and project them if this is new."""
        if rank_one and not self.rank_one:
            self.dictionary[...] = of_rank_one(self.dictionary)
        self.rank_one = rank_one

    def update(self, used, candidates, backend, decoder=None):
        """Update the filters in several sweeps, and replace those unused for too long."""
        self._count_idle(used)
        sweep = backend.update_rank_one_kernels if self.rank_one else backend.update_kernels
        for _ in range(SWEEPS):
            sweep(self.dictionary, *self.moments, self.table)
        if candidates is not None:
            self._replace_idle_kernels(decoder, *candidates, backend)

    def _replace_idle_kernels(self, decoder, X, code, sample_weight, backend):
        """Replace filters that have long been unused by the windows with the largest errors.

        A filter does not change if its window is zero in the channels that it reads.
        """
        xp = array_namespace(code)
        idle = xp.nonzero(self.idle >= PATIENCE)[0]
        if idle.shape[0] == 0:
            return
        residual = X - decoder.on(backend).decode(code)
        if sample_weight is not None:
            residual = residual * sample_weight[:, None]
        residual, images = decoder.as_images(residual), decoder.as_images(X)
        windows = _worst_windows(residual, images, self.dictionary.shape, idle.shape[0])
        idle = idle[: windows.shape[0]]
        if self.table is not None:
            windows = windows * xp.take(self.table, idle, axis=0)[:, None, None, :]
        if self.rank_one:
            windows = of_rank_one(windows)
        norm = xp.sqrt(xp.sum(windows * windows, axis=(1, 2, 3)))
        good = xp.nonzero(norm > 0)[0]
        idle, windows, norm = (xp.take(rows, good, axis=0) for rows in (idle, windows, norm))
        put_rows(self.dictionary, idle, windows / norm[:, None, None, None])
        columns = xp.permute_dims(self.code_moment, (1, 0, 2, 3))
        for rows in (self.code_moment, columns, self.cross_moment, self.idle):
            put_rows(rows, idle, xp.zeros((idle.shape[0], *rows.shape[1:]), dtype=rows.dtype))
        self.n_replaced += int(idle.shape[0])


def _worst_windows(residual, images, shape, n_windows):
    """Return the windows of a grid that have the largest residuals, scaled to norm one."""
    xp = array_namespace(images)
    _, height, width, _ = shape
    n_samples, rows, columns = images.shape[0], images.shape[1] // height, images.shape[2] // width
    tiled = xp.sum(residual[:, : rows * height, : columns * width, :] ** 2, axis=3)
    tiled = xp.reshape(tiled, (n_samples, rows, height, columns, width))
    misfit = xp.reshape(xp.sum(tiled, axis=(2, 4)), (-1,))
    found = []
    for place in xp.argsort(-misfit)[:n_windows]:
        n, i = divmod(int(place), rows * columns)
        i, j = divmod(i, columns)
        window = images[n, i * height : (i + 1) * height, j * width : (j + 1) * width, :]
        norm = math.sqrt(float(xp.sum(window * window)))
        if norm > 0:
            found.append(window / norm)
    return xp.stack(found) if found else xp.zeros((0, *shape[1:]), dtype=images.dtype)
