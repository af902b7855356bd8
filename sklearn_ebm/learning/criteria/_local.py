"""The dictionary criterion for filters that differ between the places of a map."""

import math

from sklearn_ebm._storage import stored
from sklearn_ebm.backends._places import Places
from sklearn_ebm.factors import LocalDecoder
from sklearn_ebm.learning._local_filters import LocalFilters
from sklearn_ebm.learning.criteria._base import divided
from sklearn_ebm.learning.criteria._convolutional import (
    as_rows,
    infer_in_pieces,
    predict_in_pieces,
)
from sklearn_ebm.learning.criteria._dictionary import Dictionary

ITERATIONS = 3  # on vectors of the previous step, whose filters differ little
# The plastic number, whose powers give evenly distributed pairs (Roberts 2018).
PLASTIC = 1.324717957244746


@stored
class LocalDictionary(Dictionary):
    """The mean energy of optimal maps of crops (n, height, width, channels).

    The place of the tile in the crops changes in each step, so that each unit of a tile is as often
    at the edge of a crop as any other.

    Parameters
    ----------
    filters : array of shape (n_units, height, width, n_channels)
        Initial filters, of unit norm; changed in place.
    encoder : encoder factor
        Trained on the codes of each batch.
    map_shape : tuple of two ints
        Rows and columns of the units of a tile, or of the whole map.
    fineness : int
        Number of units per pixel in each direction.
    repeats : bool
        Whether the units are those of a tile.
    """

    def __init__(self, filters, encoder, map_shape, fineness, repeats):
        self.map_shape = tuple(map_shape)
        self.fineness = fineness
        self.repeats = repeats
        super().__init__(filters, False, encoder, LocalFilters(filters))

    def phase(self):
        """Return the place of the tile in this step, from an evenly distributed sequence."""
        if not self.repeats:
            return 0, 0
        shares = ((self.online.n_steps * PLASTIC**-power) % 1 for power in (1, 2))
        return tuple(
            math.floor(share * (length // self.fineness)) * self.fineness
            for share, length in zip(shares, self.map_shape, strict=True)
        )

    def _factors_for(self, batch):
        image_shape, phase = batch.X.shape[1:3], self.phase()
        places = Places(self.fineness, phase)
        tile_shape = self.map_shape if self.repeats else None
        decoder = LocalDecoder(self.dictionary, image_shape, tile_shape, places)
        vectors = self.online.vectors
        n_iter = None if vectors is None else ITERATIONS
        curvature = decoder.on(self.backend_of(batch)).curvature(vectors, n_iter)
        encoder = self.encoder.on_images(image_shape).at_phase(phase)
        return decoder.with_curvature(*curvature), encoder

    def piece_rows(self, model):
        """Return None: gradients are as large as many crops, so that a batch is one piece."""

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Infer maps, with one piece of the crops per thread, then sum their gradients."""
        batch = as_rows(batch)
        code, sums = infer_in_pieces(model, batch, memory)
        self._add_moments(model, batch, memory, code, sums)
        return sums, None

    def measure(self, model, batch, memory):
        """Return no losses. Raise `Diverged` if predictions are far too large."""
        predict_in_pieces(model, as_rows(batch), memory)
        return {}

    def absorb(self, model, sums, batch):
        """Keep the vectors of this step for the next one."""
        super().absorb(model, sums, batch)
        self.online.vectors = model.energy.decoder.vectors

    def apply(self, model, sums, batch, done):
        """Make a step of the encoder and of the filters."""
        self.require(sums, batch)
        rate, backend = self.rate_at(done), self.backend_of(batch)
        self.n_steps += 1
        self.absorb(model, sums, batch)
        self.optimizer.step(self.gradients(sums), backend, rate)
        self.project()
        self.online.step(self._filter_gradient(sums), backend, rate)

    def _filter_gradient(self, sums):
        """Return the gradient of the mean energy, in units of the data times the codes."""
        data, code = self.encoder.scale
        gradient = sums["moments"]["dictionary"]
        gradient /= data * code
        return divided({"dictionary": gradient}, sums["report"]["weight"])["dictionary"]

    def restart(self):
        """Reset the moments of both optimizers."""
        super().restart()
        self.online.restart()
