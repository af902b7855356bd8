"""Other restricted Boltzmann machines with our evaluation, and binary digits for all of them."""

import time

import numpy as np

BATCH = 100
LOG_ODDS_AT_MOST = 7.0  # for a pixel that is never on


def digits(seed, n_train=60_000):
    """Return (grey, binary, binary test) of MNIST in float32: pixels, and samples of them."""
    from sklearn_ebm.datasets import fetch_mnist

    X = fetch_mnist(return_X_y=True)[0].reshape(70_000, -1) / np.float32(255)
    X = X.astype(np.float32)
    drawn = np.random.default_rng(seed).random(X.shape, dtype=np.float32) < X
    drawn = drawn.astype(np.float32)
    return X[:n_train], drawn[:n_train], drawn[60_000:]


class TorchRBM:
    """PCD-1 as usual in torch: five products, two sigmoids and two draws per batch."""

    def __init__(self, n_components, X, learning_rate, seed, device="cpu"):
        import torch

        torch.manual_seed(seed)
        torch.set_grad_enabled(False)
        self.torch = torch
        self.data = torch.from_numpy(X).to(device)
        mean = self.data.mean(0)
        self.weights = 0.01 * torch.randn(X.shape[1], n_components, device=device)
        self.visible_bias = torch.clamp(
            torch.logit(mean, eps=1e-6), -LOG_ODDS_AT_MOST, LOG_ODDS_AT_MOST
        )
        self.hidden_bias = torch.zeros(n_components, device=device)
        self.hidden = torch.bernoulli(torch.full((BATCH, n_components), 0.5, device=device))
        self.learning_rate = learning_rate

    def epoch(self, rate=None, draws=False, until=None):
        """Make one pass over shuffled batches; it ends early when the time is over."""
        torch = self.torch
        rate = self.learning_rate if rate is None else rate
        order = torch.randperm(len(self.data))
        for first in range(0, len(order), BATCH):
            data = self.data[order[first : first + BATCH]]
            self._step(torch.bernoulli(data) if draws else data, rate)
            if until is not None and time.perf_counter() > until:
                return

    def _step(self, data, rate):
        torch = self.torch
        positive = torch.sigmoid(data @ self.weights + self.hidden_bias)
        field = self.hidden @ self.weights.T + self.visible_bias
        visible = torch.bernoulli(torch.sigmoid(field))
        negative = torch.sigmoid(visible @ self.weights + self.hidden_bias)
        self.weights += (rate / len(data)) * (data.T @ positive - visible.T @ negative)
        self.visible_bias += rate * (data.mean(0) - visible.mean(0))
        self.hidden_bias += rate * (positive.mean(0) - negative.mean(0))
        self.hidden = torch.bernoulli(negative)

    @property
    def parameters(self):
        return (
            self.weights.numpy(),
            self.visible_bias.numpy(),
            self.hidden_bias.numpy(),
        )


def parameters_of(model):
    """Return (weights, visible bias, hidden bias) of a fitted estimator, ours or scikit-learn's."""
    return model.components_.T, model.intercept_visible_, model.intercept_hidden_


def log_likelihood(parameters, X, train_mean, *, n_temperatures, seed=0):
    """Return (mean log p(v) of X in nats, standard error of log Z), by annealed sampling."""
    from sklearn_ebm.backends import numba
    from sklearn_ebm.backends._random import Stream
    from sklearn_ebm.estimators._density import annealing_shares
    from sklearn_ebm.factors import AnnealedPath, BernoulliUnits, BilinearEnergy
    from sklearn_ebm.solvers import anneal

    weights, visible_bias, hidden_bias = (
        np.ascontiguousarray(each, dtype=np.float32) for each in parameters
    )
    energy = BilinearEnergy(BernoulliUnits(visible_bias), weights, hidden_bias).on(numba)
    base = BernoulliUnits.from_moments(train_mean, None)
    stream = Stream(np.random.RandomState(seed))
    shares = annealing_shares(n_temperatures)
    log_partition = anneal(AnnealedPath(energy, base), shares, 100, stream)
    free_energy = energy.free_energy(X).mean(dtype=np.float64)
    return -free_energy - log_partition.value, log_partition.error
