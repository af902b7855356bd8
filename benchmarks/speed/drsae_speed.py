"""Learning of recurrent codes with labels: seconds for a pass over 50,000 digits, beside torch.

Both networks have 400 units and ten steps, start from the same parameters, and make the same steps
of gradient descent with batches of ten images and limited norms, in float32. torch computes with
dense matrices; its loop over the steps of the network is compiled if the machine has a compiler.
Times are those of a hundred steps, scaled to a pass: without labels from the initial
network, and with labels from a network that has learned for two passes.
"""

import copy

import numpy as np

from benchmarks import _common
from benchmarks.papers.drsae import unit
from benchmarks.papers.mnist import data

N_UNITS, N_STEPS, BATCH_SIZE = 400, 10, 10
ALPHA, LABEL_WEIGHT, RATE = 0.018, 0.2, 3e-2
A_PASS = 5000  # steps
MOST_SECONDS = 20.0
AGREEMENT = 1e-3  # difference of parameters after some steps, relative to their largest entry


def main():
    import torch

    options = _common.options(__doc__)
    torch.set_num_threads(options.threads)
    report = _common.Report("drsae_speed", "Learning of recurrent codes with labels")
    (X, y), _ = data(options)
    X, target = unit(X[:50_000]), np.eye(10, dtype=np.float32)[y[:50_000]]
    n_steps = 40 if options.quick else 100
    ours = first(X, options)
    compare(report, "without labels, first steps", ours, X, None, n_steps, options)
    learn(ours, X, None, A_PASS // 50 if options.quick else A_PASS)
    learn(ours, X, target, A_PASS // 50 if options.quick else A_PASS)
    compare(report, "with labels, after two passes", ours, X, target, n_steps, options)
    report.save(options.results)


def first(X, options):
    """Return the initial network."""
    from sklearn_ebm.factors import RecurrentCoder

    n_units = 40 if options.quick else N_UNITS
    random = np.random.default_rng(options.seed)
    noise = unit(random.standard_normal((n_units, X.shape[1])))
    atoms = unit(noise + 0.25 * X[random.choice(len(X), n_units, replace=False)])
    return RecurrentCoder.first(atoms.astype(np.float32), 10, N_STEPS)


# ------------------------------------------------------------------------------------------- ours
def learn(coder, X, target, n_steps):
    """Make steps on consecutive batches, which change the network."""
    from sklearn_ebm.backends import resolve_backend
    from sklearn_ebm.learning._labelled import ClassifiedRows
    from sklearn_ebm.learning._rates import ConstantRate
    from sklearn_ebm.learning._trainer import Trainer
    from sklearn_ebm.learning.criteria import Discriminative

    criterion = Discriminative(coder)
    criterion.follow(ALPHA, LABEL_WEIGHT, ConstantRate(RATE), "numba")
    labels = None if target is None else target.argmax(axis=1)
    backend = resolve_backend("numba", None)
    samples = ClassifiedRows(X, labels, dtype=X.dtype, backend=backend, n_classes=10)
    trainer, rows = Trainer(criterion), np.arange(n_steps * BATCH_SIZE) % len(X)
    batches = np.split(rows, n_steps)
    for place in range(0, n_steps, criterion.chunk):
        group = batches[place : place + criterion.chunk]
        trainer.steps(samples, group, [0.0] * len(group))


# ------------------------------------------------------------------------------------------ torch
def torch_energy(parameters, x, target):
    """Return the sum of the energies."""
    import torch

    weights, lateral, threshold, dictionary, coefficients = parameters
    base = x @ weights - threshold
    code = torch.relu(base)
    for _ in range(N_STEPS):
        code = torch.relu(base + code @ lateral)
    energy = ((x - code @ dictionary) ** 2).sum() / 2 + ALPHA * code.sum()
    if target is None:
        return energy
    direction = code / code.norm(dim=1, keepdim=True).clamp_min(1e-12)
    log_p = torch.log_softmax(direction @ coefficients.T, dim=1)
    return energy - LABEL_WEIGHT * (target * log_p).sum()


NAMES = ("weights", "lateral", "threshold", "dictionary", "coefficients")


class Torch:
    """The same network and the same steps."""

    def __init__(self, coder, energy):
        import torch

        from sklearn_ebm.learning.criteria._discriminative import OF_ENCODER, POWER

        self.energy = energy
        self.parameters = [
            torch.from_numpy(coder.parameters[name].copy()).requires_grad_() for name in NAMES
        ]
        of_encoder = RATE * OF_ENCODER / (N_STEPS + 1) ** POWER
        self.rates = (of_encoder, of_encoder, of_encoder, RATE, RATE)

    def learn(self, X, target, n_steps):
        import torch

        for step in range(n_steps):
            rows = slice(step * BATCH_SIZE, (step + 1) * BATCH_SIZE)
            labels = None if target is None else target[rows]
            used = self.parameters[: len(NAMES) - (target is None)]
            gradients = torch.autograd.grad(self.energy(self.parameters, X[rows], labels), used)
            with torch.no_grad():
                for parameter, gradient, rate in zip(used, gradients, self.rates, strict=False):
                    parameter -= rate * gradient
                self._project()

    def _project(self):
        weights, _, threshold, dictionary, coefficients = self.parameters
        threshold.clamp_(min=0)
        for rows, longest in (
            (weights.T, 1.25 / (N_STEPS + 1)),
            (dictionary, 1.0),
            (coefficients, 5.0),
        ):
            rows /= (rows.norm(dim=1, keepdim=True) / longest).clamp_min(1)


def compiled():
    """Return the compiled energy, or the plain one if the machine has no compiler, and its name."""
    import torch

    try:
        energy = torch.compile(torch_energy, dynamic=False)
        shapes = (4, 3), (3, 3), (3,), (3, 4), (2, 3)
        parameters = [torch.ones(shape, requires_grad=True) for shape in shapes]
        energy(parameters, torch.ones(2, 4), None).backward()
    except Exception:
        return torch_energy, "eager"
    return energy, "compiled"


# ------------------------------------------------------------------------------------------- both
def compare(report, title, coder, X, target, n_steps, options):
    """Compare parameters after some steps, and seconds for a pass."""
    import torch

    energy, kind = compiled()
    rows = [torch.from_numpy(array) for array in (X, target) if array is not None]
    theirs = rows if target is not None else [*rows, None]
    check(report, title, coder, X, target, theirs, energy)
    ours, peer = copy.deepcopy(coder), Torch(coder, energy)
    contenders = {
        "ours": lambda: learn(ours, X, target, n_steps),
        "torch": lambda: peer.learn(*theirs, n_steps),
    }
    timings = _common.interleave(contenders, rounds=2 if options.quick else 5)
    seconds = {name: timing.best / n_steps * A_PASS for name, timing in timings.items()}
    goal = {} if options.quick else {"at_most": MOST_SECONDS}
    report.add(title, "ours, a pass", seconds["ours"], "s", **goal)
    report.add(title, f"torch ({kind}), a pass", seconds["torch"], "s")
    report.add(title, "ours / torch", seconds["ours"] / seconds["torch"], "x", at_most=1.0)


def check(report, title, coder, X, target, theirs, energy):
    """Report the largest difference of the parameters after ten steps."""
    ours, peer = copy.deepcopy(coder), Torch(coder, energy)
    learn(ours, X, target, 10)
    peer.learn(*theirs, 10)
    errors = []
    for name, value in zip(NAMES, peer.parameters, strict=True):
        expected = value.detach().numpy()
        errors.append(
            np.abs(ours.parameters[name] - expected).max() / np.abs(expected).max(initial=1e-9)
        )
    report.add(title, "difference of parameters after ten steps", max(errors), at_most=AGREEMENT)


if __name__ == "__main__":
    main()
