"""The dictionary criterion for filters: batches are crops of images, codes are maps."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors import ConvolutionalDecoder, PatchDecoder
from sklearn_ebm.learning._merging import Merger
from sklearn_ebm.learning._online_filters import OnlineKernels
from sklearn_ebm.learning.criteria._dictionary import NO_RATE, PIECE_ROWS, Dictionary


@stored
class ConvolutionalDictionary(Dictionary):
    """The mean energy of optimal maps of crops (n, height, width, channels).

    Parameters
    ----------
    kernels : array of shape (n_components, height, width, n_channels)
        Initial filters, of unit norm; changed in place.
    border : str
        Positions of the filters.
    fixed : bool, default=False
        Whether the filters are fixed.
    encoder : encoder factor or None, default=None
        Trained on the codes of each batch.
    table : array of shape (n_components, n_channels) or None, default=None
        1 if a filter may read a channel, else 0.
    """

    def __init__(self, kernels, border, fixed=False, encoder=None, table=None):
        self.border = border
        self.table = table
        super().__init__(kernels, fixed, encoder, OnlineKernels(kernels, table))

    def follow(self, penalty, settings, backend, beta=0.0, rate=NO_RATE, fixed=None, border=None,
               rank_one=None):  # fmt: skip
        """Set the parameters that users may change before they continue a fit.

        Parameters
        ----------
        penalty, settings, backend, beta, rate, fixed
            As for `Dictionary`.
        border : str or None, default=None
            Positions of the filters. None changes nothing.
        rank_one : bool or None, default=None
            Whether learned filters have rank one. None changes nothing.

        Returns
        -------
        ConvolutionalDictionary
            The criterion itself.
        """
        super().follow(penalty, settings, backend, beta, rate, fixed)
        if rank_one is not None and not self.fixed:
            self.online.restrict(rank_one)
        if border is not None:
            self.border = border
            if self.encoder is not None:
                self.encoder = self.encoder.with_border(border)
        return self

    def _factors_for(self, batch):
        kernels, image_shape = self.online.dictionary, batch.X.shape[1:3]
        is_patch = self.border == "valid" and tuple(image_shape) == kernels.shape[1:3]
        can_choose = self.settings["solver"] == "auto"  # other solvers require maps
        new_decoder = PatchDecoder if is_patch and can_choose else ConvolutionalDecoder
        encoder = None if self.encoder is None else self.encoder.on_images(image_shape)
        return new_decoder(kernels, image_shape, self.border), encoder

    def piece_rows(self, model):
        """Return None: moments are as large as many crops, so that a batch is one piece."""

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Infer maps, with one piece of the crops per thread, then sum their moments."""
        batch = as_rows(batch)
        code, sums = infer_in_pieces(model, batch, memory)
        self._add_moments(model, batch, memory, code, sums)
        return sums, None

    def measure(self, model, batch, memory):
        """Return no losses. Raise `Diverged` if predictions are far too large."""
        predict_in_pieces(model, as_rows(batch), memory)
        return {}

    def absorb(self, model, sums, batch):
        """Update the filters, and set the encoder to images of this size."""
        super().absorb(model, sums, batch)
        self.encoder = model.encoder


def infer_in_pieces(model, batch, memory):
    """Return the codes of a batch, and the sums of losses, counts and encoder gradients."""
    shape = batch.n_samples, model.energy.decoder.code_size
    code, merger = memory.array("code", shape, batch.X), Merger(memory.part)

    def work(first, last):
        piece, rows = batch.rows(first, last), code[first:last, :]
        merger.add(first, last, lambda memory: model.infer(piece, memory, rows))

    model.backend.map_pieces(work, batch.n_samples, _piece_rows(model))
    return code, merger.sums


def predict_in_pieces(model, batch, memory):
    """Predict codes. Raise `Diverged` if they are far too large."""
    model.backend.map_pieces(
        lambda first, last: model.predict(batch.rows(first, last), memory.part(first)),
        batch.n_samples,
        _piece_rows(model),
    )


def _piece_rows(model):
    return model.energy.decoder.piece_rows or PIECE_ROWS


def as_rows(batch):
    """Return a batch with images flattened to rows."""
    X, mask = (
        None if images is None else array_namespace(images).reshape(images, (images.shape[0], -1))
        for images in (batch.X, batch.mask)
    )
    return batch._replace(X=X, mask=mask)
