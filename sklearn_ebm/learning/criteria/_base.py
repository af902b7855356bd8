"""Base class of criteria: a step along the gradients, and curves from additive reports."""

import functools
from types import MappingProxyType

import numpy as np

from sklearn_ebm.backends import array_namespace, resolve_backend, stored_entries
from sklearn_ebm.learning._rates import LinearDecay


def bare(optimizer):
    """Return an optimizer without parameters and moments; None for None."""
    return None if optimizer is None else optimizer.without_state()


class BaseCriterion:
    """Defaults of `sklearn_ebm.protocols.Criterion`, for criteria that an optimizer minimises.

    Attributes
    ----------
    optimizer : Optimizer or None
        Optimizer of `parameters`.
    rate : callable
        Maps the completed share of training to the learning rate.
    damping : float
        Factor of the learning rate, which policies lower if learning diverges.
    has_objective : bool
        Whether the parameters are better if the mean loss is lower.
    sent : dict
        Functions by names of attributes. They return what other processes need of the attribute to
        contribute.
    """

    chunk = 1
    n_draws = 0
    damping = 1.0
    has_objective = True
    sent = MappingProxyType({"optimizer": bare})

    def __init__(self):
        self.optimizer = None
        self.backend = "auto"
        self.rate = LinearDecay(0.0)
        self.n_steps = 0

    def __getstate__(self):
        """Drop the learning rate, which may be a user's function; `follow` sets it again."""
        return {**vars(self), "rate": LinearDecay(0.0)}

    @property
    def parameters(self):
        """Arrays that the optimizer updates, by name."""
        return {}

    def backend_of(self, batch):
        """Return the backend as a module."""
        return resolve_backend(self.backend, batch.X)

    def prepare(self, batch):
        """Return the object that all pieces of a step share, None by default."""

    def piece_rows(self, model):
        """Return None: a thread processes all samples at once."""

    # ---------------------------------------------------------------------------------------- steps
    def apply(self, model, sums, batch, done):
        """Update the parameters once. Raise `Diverged` before any parameter has changed."""
        self.require(sums, batch)
        rate = None if self.optimizer is None else self.rate_at(done)  # a user's function may fail
        self.n_steps += 1
        self.absorb(model, sums, batch)
        if self.optimizer is not None:
            self.optimizer.step(self.gradients(sums), self.backend_of(batch), rate)
            self.project()

    def require(self, sums, batch):
        """Raise `Diverged` if a mean loss is far above its usual size."""

    def absorb(self, model, sums, batch):
        """Update the parameters of this criterion that are computed from moments."""

    def gradients(self, sums):
        """Return the gradients of the mean loss with respect to `parameters`, by name."""
        return {}

    def rate_at(self, done):
        """Return the learning rate at a completed share of training, times the damping."""
        return self.damping * self.rate(done)

    def project(self):
        """Project the parameters onto their allowed range."""

    def can_advance(self, backend):
        """Return whether a backend can make several steps in one call."""
        return False

    # --------------------------------------------------------------------------------------- curves
    def held_out(self, report):
        """Return the entries of the curves for held-out samples."""
        return {"validation": mean_loss(report)}

    def summary(self, tally):
        """Return the entries of the curves for a pass."""
        entries = {}
        if "loss" in tally:
            entries["objective"] = mean_loss(tally)
        if "used" in tally:
            usage = usage_of(tally)
            entries["sparsity"] = float(array_namespace(usage).mean(usage))
        return entries

    def facts(self, tally):
        """Return the share of codes that use each component, and of codes above the tolerance."""
        if "used" not in tally:
            return {}
        unconverged = tally.get("n_late", 0) / max(1, tally["n_samples"])
        return {"usage": usage_of(tally), "unconverged": unconverged}

    def label(self, curves):
        """Return the last entries of the curves as text."""
        text = f"objective {curves.last('objective'):.4g}"
        return f"{text}, {active(curves)}" if curves["sparsity"] else text

    # ---------------------------------------------------------------------- starts and snapshots
    def begin(self, entries):
        """Start a new fit."""

    def snapshot(self):
        """Return a copy of the state that a step changes; None if no step can diverge."""

    def restore(self, kept):
        """Restore a snapshot."""

    def restart(self):
        """Reset the moments of the optimizer."""
        if self.optimizer is not None:
            self.optimizer.restart()


def copied(parameters):
    """Return copies of all arrays, by name."""
    return {
        name: array_namespace(value).asarray(value, copy=True) for name, value in parameters.items()
    }


def put_back(parameters, kept):
    """Set all arrays to those that were kept, in place."""
    for name, value in parameters.items():
        value[...] = kept[name]


def mean_loss(report):
    """Return the weighted mean loss per sample."""
    return report["loss"] / max(report["weight"], np.finfo(float).tiny)


def usage_of(tally):
    """Return the share of codes that use each component."""
    return tally["used"] / np.maximum(1, tally["n_codes"])


def active(curves):
    """Return the share of non-zero entries as text."""
    return f"{100 * curves.last('sparsity'):.1f} % active"


def count_used(code):
    """Return the number of codes that use each component; exact up to 2**53 codes."""
    xp = array_namespace(code)
    return xp.asarray(xp.count_nonzero(code, axis=0), dtype=xp.float64)


def half_square(rows):
    """Return 1/2 ||rows||^2, summed over all rows, dense or sparse, as a number."""
    entries = stored_entries(rows)
    entries = array_namespace(entries).reshape(entries, (-1,))
    return float(entries @ entries) / 2


def plain_sum(losses):
    """Return the sum of one number per sample; infinite or NaN if it overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(array_namespace(losses).sum(losses))


def divided(gradients, total):
    """Divide gradients by a total weight, in place."""
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # the next step detects values that are not finite
        for gradient in gradients.values():
            gradient /= max(total, _smallest_normal(array_namespace(gradient), gradient.dtype))
    return gradients


@functools.cache
def _smallest_normal(xp, dtype):
    """Return the smallest normal number of a dtype; the library looks it up slowly."""
    return float(xp.finfo(dtype).smallest_normal)
