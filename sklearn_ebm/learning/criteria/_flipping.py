"""Learning from flips: lower the energy of binary data, raise the energy of their neighbours.

The loss of a sample is sum_i phi(F(x) - F(x^i)), with x^i the sample x whose entry i is flipped.
The partition function cancels, so that losses and gradients need no samples of the model: ratio
matching (Hyvarinen 2007), minimum probability flow (Sohl-Dickstein, Battaglino & DeWeese 2011), and
the pseudo-likelihood (Besag 1975). All of them are consistent: with enough data from a model of the
same form, they find its parameters.

Entries that are missing have no flips, and the loss is that of the machine of the observed units.
"""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors._flip_losses import FLIP_LOSSES
from sklearn_ebm.learning.criteria._base import plain_sum
from sklearn_ebm.learning.criteria._centered import (
    CenteredCriterion,
    activity_share,
    diverged,
    draw_states,
)
from sklearn_ebm.protocols import require

LARGEST = {4: 60.0, 8: 600.0}  # largest magnitude of a weight w, by bytes: exp(w) must be finite


@stored
class Flipping(CenteredCriterion):
    """A loss of the differences of free energies between samples and their neighbours.

    Parameters
    ----------
    energy : BilinearEnergy
        Its parameters are changed in place. It must offer `flips`.
    activity : array of shape (n_hidden,)
        Initial mean activity of the hidden units.
    visible_center : array of shape (n_visible,) or None, default=None
        Mean of the data. With None, gradients are not centred.
    flip_loss : {"ratio_matching", "minimum_probability_flow", "pseudo_likelihood"}, \
            default="pseudo_likelihood"
        Name of the loss.
    base : units or None, default=None
        Units with the moments of the data, from which estimators derive others.
    """

    n_draws = 1  # of the data

    def __init__(
        self, energy, activity, visible_center=None, flip_loss="pseudo_likelihood", base=None
    ):
        remedy = "Use loss='cd' or 'pcd'."
        require(energy, "flips", f"loss={flip_loss!r} requires an energy", remedy)
        self.flip_loss = flip_loss
        super().__init__(energy, activity, visible_center, base)

    def prepare(self, batch):
        """Return the energy with the kernels of the backend."""
        return self.energy.on(self.backend_of(batch))

    def _differences(self, energy, X, observed):
        """Return the flips and F(x) - F(x^i), with zeros for units that are not observed."""
        flips = energy.flips(X)
        differences = -flips.changes()
        return flips, differences if observed is None else differences * observed

    def measure(self, model, batch, memory):
        """Return the sum of the losses, and of the weights of the samples."""
        observed, xp = batch.mask, array_namespace(batch.X)
        _, differences = self._differences(model, batch.X, observed)
        values = FLIP_LOSSES[self.flip_loss].value(differences)
        losses = xp.sum(values if observed is None else values * observed, axis=1)
        if batch.weight is None:
            return {"loss": plain_sum(losses), "weight": batch.n_samples}
        weight = xp.asarray(batch.weight, dtype=losses.dtype)
        return {"loss": plain_sum(losses * weight), "weight": float(batch.weight.sum())}

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Return the sums of gradients, of states and of weights."""
        X, observed, xp = batch.X, batch.mask, array_namespace(batch.X)
        if self.how.draws:
            X = xp.asarray(X, copy=True)
            key = stream.key().from_row(batch.first)
            draw_states(X, key, model.backend_for(X), observed)
        flips, differences = self._differences(model, X, observed)
        share = FLIP_LOSSES[self.flip_loss].slope(differences)
        if observed is not None:
            share *= observed
        hidden = model.conditionals.hidden_mean(X)
        weight = xp.ones(X.shape[0], dtype=X.dtype)
        if batch.weight is not None:
            weight = xp.asarray(batch.weight, dtype=X.dtype)
            share *= weight[:, None]
        total = batch.n_samples if batch.weight is None else float(batch.weight.sum())
        sums = {
            "directions": flips.parameter_gradients(share),
            "visible": weight @ X,
            "hidden": weight @ hidden,
            "weight": total,
            "n_samples": batch.n_samples,
            "report": {},
        }
        return sums, shard

    def gradients(self, sums):
        """Return the gradients of the mean loss, by name."""
        return {name: -value / sums["weight"] for name, value in sums["directions"].items()}

    def apply(self, model, sums, batch, done):
        """Update the parameters and the centres. Raise `Diverged` before a step could overflow."""
        total, how, energy = sums["weight"], self.how, self.energy
        rate = self.rate(done) * total / sums["n_samples"]
        directions = {name: value / total for name, value in sums["directions"].items()}
        self._require_range(rate, rate * how.sparsity_cost)
        if how.sparsity_cost:
            push = how.sparsity_cost * (how.sparsity_target - self.activity)
            directions["hidden_bias"] += push
            directions["weights"] += sums["visible"][:, None] / total * push
        directions["weights"] -= self.visible_center[:, None] * directions["hidden_bias"]
        directions["weights"] -= directions["visible_bias"][:, None] * self.hidden_center
        xp = array_namespace(energy.weights)
        steps = [rate * float(xp.max(xp.abs(value))) for value in directions.values()]
        self._require_range(rate, sum(steps))
        for name in ("hidden_bias", "visible_bias"):
            self._move(name, rate * directions[name])
        self._move("weights", rate * (directions["weights"] - how.decay * energy.weights))
        velocity = self.velocity["weights"]
        energy.visible.bias[...] -= velocity @ self.hidden_center
        energy.hidden_bias[...] -= self.visible_center @ velocity
        self.largest = float(xp.max(xp.abs(energy.weights)))
        self.activity += activity_share(self.n_steps) * (sums["hidden"] / total - self.activity)
        self.n_steps += 1

    def _require_range(self, rate, step):
        """Raise `Diverged` if a weight could be too large after a step of a given size.

        A velocity is at most the difference of two weights.
        """
        how, xp = self.how, array_namespace(self.activity)
        largest = LARGEST[xp.finfo(self.activity.dtype).bits // 8]
        growth = 1 + 2 * how.momentum + rate * how.decay
        if not growth * self.largest + step <= largest:  # true for NaN
            raise diverged(self.largest, rate)
