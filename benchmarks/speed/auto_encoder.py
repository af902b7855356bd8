"""Auto-encoders: seconds of a pass over MNIST, with a compiled torch loop as the peer.

Tied weights, 1,000 sigmoid units, cross-entropy, masking noise and Adam in float32, batches of 100.
The torch loop makes the same steps: its loss and the gradients are compiled by torch.compile, and
Adam is torch's fused implementation. Before the passes are timed, gradients of one batch without
noise are compared.
"""

import warnings

import numpy as np

from benchmarks import _common

N_COMPONENTS = 1000
BATCH = 100
NOISE_LEVEL = 0.25
LEARNING_RATE = 1e-3
SLOWER = 1.2  # maximum ratio of our time and torch's time
AGREEMENT = 1e-4


def main():
    options = _common.options(__doc__)
    report = _common.Report("auto_encoder", "Auto-encoders: speed")
    warnings.simplefilter("ignore")  # one pass does not converge
    X = digits(2_000 if options.quick else 60_000)
    peer = TorchAutoEncoder(X, options)
    model = estimator(options).fit(X[:BATCH])
    report.add(
        "one batch", "difference of the gradients", difference(model, peer, X), at_most=AGREEMENT
    )
    timings = _common.interleave(
        {"ours": lambda: estimator(options).fit(X), "torch": peer.one_pass},
        rounds=2 if options.quick else 5,
    )
    case = f"{N_COMPONENTS:,} units, {len(X):,} digits, a pass"
    for name, timing in timings.items():
        report.add(case, name, timing.best, "s")
        report.add(case, f"{name}, first call", timing.first, "s")
    ratio = timings["ours"].best / timings["torch"].best
    report.add(case, "ours / torch", ratio, "x", at_most=SLOWER)
    report.note(f"torch: {peer.how}, {options.threads} threads for both")
    report.save(options.results)


def digits(n_samples):
    """Return MNIST in float32, with pixels from 0 to 1."""
    from sklearn_ebm.datasets import fetch_mnist

    X = fetch_mnist(return_X_y=True)[0][:n_samples]
    return (X.reshape(n_samples, -1) / 255).astype(np.float32)


def estimator(options):
    from sklearn_ebm import AutoEncoder

    return AutoEncoder(
        N_COMPONENTS,
        noise_level=NOISE_LEVEL,
        learning_rate=LEARNING_RATE,
        batch_size=BATCH,
        max_iter=1,
        random_state=options.seed,
    )


def difference(model, peer, X):
    """Return the difference of the gradients with respect to W, relative to the largest entry."""
    energy, x = model._state.parts, X[:BATCH]
    ours = energy.parameter_gradients(x, None, None)["weights"] / BATCH
    theirs = peer.gradient(x, energy.parameters)
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


class TorchAutoEncoder:
    """The loop that a user of torch would write; `how` is the name of the compiler."""

    def __init__(self, X, options):
        import torch

        torch.set_num_threads(options.threads)
        torch.manual_seed(options.seed)
        self.torch = torch
        self.X = torch.from_numpy(X)
        n_features = X.shape[1]
        bound = 4 * (6 / (n_features + N_COMPONENTS)) ** 0.5
        weights = bound * (2 * torch.rand(n_features, N_COMPONENTS) - 1)
        first = {"weights": weights, "bias": torch.zeros(N_COMPONENTS)}
        first["output_bias"] = torch.zeros(n_features)
        self.parameters = {name: value.requires_grad_() for name, value in first.items()}
        self.loss, self.how = self._compiled()

    def _compiled(self):
        try:
            compiled = self.torch.compile(self._loss)
            compiled(self.X[:BATCH], NOISE_LEVEL, *self.parameters.values()).backward()
            return compiled, "torch.compile"
        except Exception as error:  # compiler errors have no common type
            return self._loss, f"eager (torch.compile: {type(error).__name__})"

    def _loss(self, x, level, weights, bias, output_bias):
        torch = self.torch
        seen = x * (torch.rand_like(x) >= level)
        signal = torch.sigmoid(seen @ weights + bias) @ weights.T + output_bias
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        return loss(signal, x, reduction="sum") / x.shape[0]

    def one_pass(self):
        """Train anew, with one pass over shuffled batches."""
        torch, parameters = self.torch, [*self.parameters.values()]
        optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)
        order = torch.randperm(len(self.X))
        n_batches = len(order) // BATCH
        for k in range(n_batches):
            for group in optimizer.param_groups:  # the rate decays as ours
                group["lr"] = LEARNING_RATE * (1 - k / n_batches)
            optimizer.zero_grad(set_to_none=False)
            x = self.X[order[k * BATCH : (k + 1) * BATCH]]
            self.loss(x, NOISE_LEVEL, *parameters).backward()
            optimizer.step()

    def gradient(self, x, values):
        """Return the gradient of the mean loss without noise with respect to W."""
        torch = self.torch
        values = [
            torch.from_numpy(values[name].copy()).requires_grad_() for name in self.parameters
        ]
        loss = self.loss(torch.from_numpy(x), 0.0, *values)
        return torch.autograd.grad(loss, values[0])[0].numpy()


if __name__ == "__main__":
    main()
