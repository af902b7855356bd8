"""The criterion contract: the loss that a trainer minimises."""

from typing import Any, Protocol


class Criterion(Protocol):
    """A loss of parameters on samples, in a form that can be computed piece by piece.

    One step of learning on a batch has three parts. `prepare` runs once. `contribute` runs on each
    piece of the batch, in any order and in several threads at once. `apply` runs once, on the
    contributions merged in the order of the rows, and updates the parameters.

    **Sums.** `contribute` returns named entries that merge by `+`: numbers, arrays, dictionaries of
    them, or objects with `+=`. Merging is associative, so that pieces, processes and shards
    can be merged in any grouping. Entries are not normalised; `apply` divides by the number or the
    weight of the samples. The entry `"report"` holds numbers for the curves. The tally of a
    pass is the sum of the reports of its batches.

    **Purity.** The result of `contribute` depends on its arguments and on the parameters only. It
    writes to no attribute of the criterion. Two calls with the same arguments return the same sums.

    **Shards.** A criterion may have state that belongs to a part of the data, such as the particles
    of persistent chains. The trainer passes it to `contribute`, which returns its successor. Other
    criteria receive and return None. A criterion with such state takes each batch as one piece. If
    a batch lies on several machines, each piece receives a part of the particles, with the number
    of the first of them, on which random numbers depend.

    **State.** A criterion can be pickled between any two calls. It holds parameters, moments,
    velocities and counters, but no buffers: these belong to the trainer, which passes a `memory` to
    each piece. Arrays in the sums may lie in that memory, and are valid until it is used again,
    which is after the sums are merged. An object with `+=` that keeps arrays must copy those in the
    memory, unless a batch is always one piece.

    **Other processes.** Pieces on other processes receive a copy of the criterion, in which `sent`
    replaces attributes by what `contribute` needs of them. A criterion whose sums grow with the
    samples may offer `is_condensed`, whether a batch is so large that moments are smaller, and
    `condensed`, which replaces the sums of a piece by moments. `apply` accepts both forms.

    **Settings.** A method `follow` receives all parameters that users may change between two
    calls of `fit` or `partial_fit`, such as alpha or the learning rate, and the name of the
    backend. Nothing else is set from outside.

    Attributes
    ----------
    parameters : dict
        Arrays that are updated along gradients, by name. Criteria that share an array can be added.
    n_steps : int
        Number of steps since the criterion was created.
    dtype : dtype
        Dtype of the parameters, to which batches are cast.
    backend : str
        Name of the backend, set by `follow`.
    chunk : int
        Number of batches between two calls of callbacks.
    n_draws : int
        Number of keys that `contribute` takes from its stream.
    damping : float
        Factor of the learning rate, which policies lower if learning diverges.
    has_objective : bool
        Whether the parameters are better if the mean loss is lower.
    sent : dict
        Functions by names of attributes, which return what other processes need of the attribute.
    """

    parameters: dict
    n_steps: int
    dtype: Any
    backend: str
    chunk: int
    n_draws: int
    damping: float
    has_objective: bool
    sent: dict

    def prepare(self, batch):
        """Return an object for all pieces of a step, such as the energy with cached products.

        The first batch may set the reference loss by which divergence is detected.
        """

    def piece_rows(self, model):
        """Return the number of samples that a thread processes at a time; None for all at once."""

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Return the sums of a piece and the successor of the shard.

        Parameters
        ----------
        model : object
            Result of `prepare`.
        batch : Batch
            Samples. The piece begins at row `batch.first` of the whole batch.
        memory : Memory
            Tapes and buffers of this piece.
        stream : Stream or None
            Random numbers. Draws belong to rows of the whole batch and do not depend on pieces.
        shard : object or None
            State that belongs to the data.

        Raises
        ------
        Diverged
            If values are far too large for the data.
        """

    def measure(self, model, batch, memory):
        """Return the sums without gradients, for samples that are only evaluated."""

    def require(self, sums, batch):
        """Raise `Diverged` if a mean loss is far above its usual size."""

    def gradients(self, sums):
        """Return the gradients of the mean loss with respect to `parameters`, by name."""

    def apply(self, model, sums, batch, done):
        """Update the parameters by one step.

        Parameters
        ----------
        model : object
            Result of `prepare`.
        sums : dict
            Merged contributions of the whole batch.
        batch : Batch
            The whole batch.
        done : float
            Completed share of training, from 0 to 1, on which learning rates depend.

        Raises
        ------
        Diverged
            If `require` raises it. The parameters are then unchanged.
        """

    def project(self):
        """Project the parameters onto their allowed range."""

    def held_out(self, report):
        """Return the entries of the curves for held-out samples, by name, from a merged report."""

    def begin(self, entries):
        """Start a new fit; the loss in `entries`, of held-out samples, may have any size."""

    def summary(self, tally):
        """Return the entries of the curves for a pass, by name, from its merged reports."""

    def facts(self, tally):
        """Return values of the last pass that are not part of the curves, by name."""

    def label(self, curves):
        """Return the last entries of the curves as text, for progress bars and verbose output."""

    def snapshot(self):
        """Return a copy of the state that a step changes; None if no step can diverge."""

    def restore(self, kept):
        """Restore a snapshot."""

    def restart(self):
        """Reset the velocities and moments of the optimizer."""

    def can_advance(self, backend):
        """Return whether a backend can make several steps in one call."""

    def advance(self, samples, index, done, stream, shard):
        """Make one step for each row of `index`, in one compiled call; return their reports.

        The result equals the result of single steps up to rounding. The shard is updated in place.
        """
