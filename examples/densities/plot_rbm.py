"""
==========================================
Likelihood and samples of an RBM on digits
==========================================

How well does a restricted Boltzmann machine model digits after a given training time? As a density
model, it provides samples and the likelihood of new digits, in addition to features. ``RBM`` is
compared with scikit-learn's ``BernoulliRBM`` with the same number of hidden units and the same
training time. The likelihoods of both are estimated by annealed importance sampling [Salakhutdinov
& Murray (2008)]. The digits are MNIST if ``fetch_mnist`` finds a file, and otherwise the small
digits of scikit-learn. Nothing is downloaded.
"""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

from sklearn_ebm import RBM
from sklearn_ebm.datasets import fetch_mnist
from sklearn_ebm.inspection import DictionaryDisplay, SampleDisplay

OUTPUT = Path("demo_output")
N_COMPONENTS = 128
PASSES = (1, 4, 16, 64)
OUTPUT.mkdir(exist_ok=True)

# %%
# Pixels are probabilities of ink. Test digits are sampled once, as zeros and ones.


def digits():
    """Return the training digits, the test digits, and the batch size."""
    try:
        mnist = fetch_mnist(download_if_missing=False)
    except OSError:
        X = np.random.default_rng(0).permutation(load_digits().data).astype(np.float32) / 16
        return X[:1400], X[1400:], 10
    return mnist.X_train[:10_000] / np.float32(255), mnist.X_test / np.float32(255), 100


X, X_test, batch_size = digits()
X_test = (np.random.default_rng(0).uniform(size=X_test.shape) < X_test).astype(np.float32)

# %%
# Likelihood as a function of training time
# -----------------------------------------
# The learning rate of ``RBM`` decreases to zero during a fit, so that each point of its curve is a
# separate fit. ``BernoulliRBM`` has a constant rate: its curve is a single run, batch by batch, for
# the time of the longest fit of ``RBM``. Its rate and batch size are the best of several values on
# MNIST. Since its biases are initialised with zero, ``BernoulliRBM`` is at first worse than a model
# of independent pixels, whose likelihood is the dashed line.


def likelihood(rbm):
    """Return the mean log p of the test digits."""
    log_partition = rbm.log_partition(n_temperatures=1000, random_state=0)
    return rbm.log_likelihood(X_test, log_partition).mean()


def independent():
    """Return the mean log p of a model of independent pixels."""
    share = np.clip(X.mean(axis=0), 1e-3, 1 - 1e-3)
    return np.log(np.where(X_test, share, 1 - share)).sum(axis=1).mean()


def learn(max_iter):
    """Return an RBM after some passes."""
    rbm = RBM(N_COMPONENTS, binarize=True, batch_size=batch_size, max_iter=max_iter, random_state=0)
    return rbm.fit(X)


learn(1)  # excludes compilation from the timing
machines = [learn(max_iter) for max_iter in PASSES]
rbm = machines[-1]
ours = [(each.seconds_curve_[-1], likelihood(each)) for each in machines]


def as_rbm(theirs):
    """Return an RBM with the parameters of a BernoulliRBM."""
    rbm = learn(1)
    rbm.components_ = theirs.components_
    rbm.intercept_hidden_ = theirs.intercept_hidden_
    rbm.intercept_visible_ = theirs.intercept_visible_
    return rbm


def batches():
    """Yield batches of shuffled digits indefinitely."""
    random_state = np.random.default_rng(0)
    while True:
        order = random_state.permutation(len(X))
        for first in range(0, len(X) - batch_size + 1, batch_size):
            yield X[order[first : first + batch_size]]


theirs = BernoulliRBM(N_COMPONENTS, learning_rate=0.05, batch_size=batch_size, random_state=0)
curve, learned, digits_of = [], 0.0, batches()
for until, _ in ours:
    while learned < until:
        batch = next(digits_of)
        began = time.perf_counter()
        theirs.partial_fit(batch)
        learned += time.perf_counter() - began
    curve.append((learned, likelihood(as_rbm(theirs))))

figure, axes = plt.subplots(figsize=(6.0, 4.0), layout="constrained")
for name, points in [("RBM", ours), ("BernoulliRBM", curve)]:
    axes.semilogx(*zip(*points, strict=True), marker="o", label=name)
    print(f"{name}: {points[-1][1]:.1f} nats after {points[-1][0]:.1f} s")
floor = independent()
axes.axhline(floor, color="black", linestyle="--", linewidth=1, label="independent pixels")
axes.set_ylim(bottom=1.05 * floor)
axes.minorticks_off()
axes.set_xticks([seconds for seconds, _ in ours], [f"{seconds:.2g}" for seconds, _ in ours])
axes.set_xlabel("Seconds of learning")
axes.set_ylabel("Mean log-likelihood of test digits [nats]")
axes.grid(alpha=0.3)
axes.legend()
figure.savefig(OUTPUT / "rbm_likelihood.png", bbox_inches="tight")

# %%
# Filters of the hidden units
# ---------------------------
# Ink at bright weights of a filter increases the probability that the hidden unit is on; ink at
# dark weights decreases it.

display = DictionaryDisplay.from_estimator(rbm)
display.figure_.savefig(OUTPUT / "rbm_filters.png", bbox_inches="tight")

# %%
# Samples
# -------
# Each row is one chain of Gibbs sampling. On the left, chains start from test digits; on the right,
# they start from independent pixels with the means of the training data. In both cases, the chains
# converge to digits that differ from the initial ones.

figure, axes = plt.subplots(1, 2, figsize=(9.0, 7.2), layout="constrained")
SampleDisplay.from_estimator(rbm, X_test, random_state=0, ax=axes[0])
SampleDisplay.from_estimator(rbm, random_state=0, ax=axes[1])
figure.savefig(OUTPUT / "rbm_fantasies.png", bbox_inches="tight")
print("Look at", *(OUTPUT / f"rbm_{name}.png" for name in ("likelihood", "filters", "fantasies")))
plt.show()
