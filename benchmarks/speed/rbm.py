"""Restricted Boltzmann machines: seconds per epoch, and log-likelihoods after 30 seconds.

PCD-1 on MNIST, with pixels sampled once as zeros and ones, 60,000 x 784 in float32, batches of 100:
ours with its defaults (centred gradients, averages, monitor), scikit-learn's BernoulliRBM, and a
torch loop. Log-likelihoods of 10,000 test images by annealed importance sampling, with the same
code for all.
"""

import time
import warnings

import numpy as np

from benchmarks import _common
from benchmarks.speed import rbm_peers

HIDDEN = {256: (2.5, 1.2), 1024: (5.0, 1.2)}  # units: minimum ratio to scikit-learn and to torch
SECONDS = 30.0
RATES = {"scikit-learn": (0.05, 0.1), "torch": (0.05, 0.1, 0.2)}  # the best result of each is used
LARGE = 2048  # size of the square product that measures the peak speed
GRID = [0.02, 0.05, 0.1, 0.2]


def main():
    options = _common.options(__doc__)
    report = _common.Report("rbm", "Restricted Boltzmann machine: speed")
    warnings.simplefilter("ignore")
    grey, X, test = rbm_peers.digits(options.seed, 6_000 if options.quick else 60_000)
    for n_hidden, least in HIDDEN.items():
        epochs(report, X, n_hidden, least, options)
    monitor_share(report, X, options)
    contest(report, grey, test, options)
    grid_search(report, X[:6_000], options)
    report.save(options.results)


def ours(n_hidden, seed, **settings):
    from sklearn_ebm import RBM

    return RBM(n_hidden, random_state=seed, **{"max_iter": 1, **settings})


def theirs(n_hidden, seed, rate=0.05, n_iter=1):
    from sklearn.neural_network import BernoulliRBM

    return BernoulliRBM(
        n_hidden, learning_rate=rate, batch_size=rbm_peers.BATCH, n_iter=n_iter, random_state=seed
    )


# ------------------------------------------------------------------------------------------- speed
def epochs(report, X, n_hidden, least, options):
    torch_loop = rbm_peers.TorchRBM(n_hidden, X, 0.05, options.seed)
    timings = _common.interleave(
        {
            "ours": lambda: ours(n_hidden, options.seed).fit(X),
            "torch": torch_loop.epoch,
            "scikit-learn": lambda: theirs(n_hidden, options.seed).fit(X),
        },
        1 if options.quick else 3,
    )
    case = f"{n_hidden} hidden units, an epoch"
    for name, timing in timings.items():
        report.add(case, name, timing.best, "s")
    report.add(case, "ours, first call", timings["ours"].first, "s")
    mine = timings["ours"].best
    for name, ratio in zip(("scikit-learn", "torch"), least, strict=True):
        report.add(case, f"{name} / ours", timings[name].best / mine, "x", at_least=ratio)
    products = 5 * 2 * len(X) * X.shape[1] * n_hidden
    share = products / mine / sgemm_peak()
    report.add(case, "five dense products over time, of sgemm's peak", 100 * share, "%")


def sgemm_peak():
    """Return the operations per second of a large square product."""
    A = np.random.default_rng(0).random((LARGE, LARGE), dtype=np.float32)
    return 2 * LARGE**3 / _common.best_of(lambda: A @ A)


def monitor_share(report, X, options):
    """Report the share of the monitor in the time of a fit."""
    from sklearn_ebm.learning import _contrastive_passes as learning

    watch, looks = learning.Monitor.look, []

    def timed(self, *args):
        start = time.perf_counter()
        watch(self, *args)
        looks.append(time.perf_counter() - start)

    learning.Monitor.look = timed
    try:
        model = ours(256, options.seed, max_iter=4, validation_fraction=0.1)
        model.fit(X)
    finally:
        learning.Monitor.look = watch
    share = sum(looks[1:]) / (model.seconds_curve_[-1] - model.seconds_curve_[0])
    report.add("256 hidden units", "share of the monitor", 100 * share, "%", at_most=3.0)


# --------------------------------------------------------------------------------- equal time
def contest(report, grey, test, options):
    """Compare the best of each after 30 seconds, 256 hidden units, pixels sampled in each pass."""
    seconds = 3.0 if options.quick else SECONDS
    scores = {"ours": ours_in(seconds, grey, test, options)}
    for name, learn in (("scikit-learn", scikit_learn_in), ("torch", torch_in)):
        found = [learn(seconds, rate, grey, test, options) for rate in RATES[name]]
        scores[name] = max(found)
    case = f"256 hidden units, {seconds:g} s"
    for name, (value, error, what) in scores.items():
        report.add(case, f"{name}, {what}: test log-likelihood", value, "nats")
        report.add(case, f"{name}: error of log Z", error, "nats")
    for name in ("scikit-learn", "torch"):
        bars = scores["ours"][1] + scores[name][1]
        margin = scores["ours"][0] - scores[name][0] - bars
        report.add(case, f"ours ahead of {name} beyond both errors", margin, "nats", at_least=0.0)


def judged(parameters, grey, test, options, what):
    n_temperatures = 1_000 if options.quick else 10_000
    mean = grey.mean(axis=0)
    value, error = rbm_peers.log_likelihood(
        parameters, test, mean, n_temperatures=n_temperatures, seed=options.seed
    )
    print(f"  {what}: {value:.2f} +- {error:.2f}", flush=True)
    return value, error, what


def ours_in(seconds, grey, test, options):
    """Fit as many passes as the time allows, estimated by a short run."""
    probe = ours(256, options.seed, max_iter=4, binarize=True).fit(grey)
    each = (probe.seconds_curve_[-1] - probe.seconds_curve_[0]) / 3
    n_passes = max(1, int(seconds / each))
    model = ours(256, options.seed, max_iter=n_passes, binarize=True)
    took, _ = _common.stopwatch(lambda: model.fit(grey))
    what = f"{n_passes} passes in {took:.0f} s"
    return judged(rbm_peers.parameters_of(model), grey, test, options, what)


def scikit_learn_in(seconds, rate, grey, test, options):
    """Fit batches sampled as for the others until the time is over; the rate decreases to zero."""
    random = np.random.default_rng(options.seed)
    model = theirs(256, options.seed, rate)
    model.partial_fit(grey[: rbm_peers.BATCH])
    odds = rbm_peers.TorchRBM(1, grey, rate, 0).visible_bias.numpy()
    model.intercept_visible_ = odds.astype(model.components_.dtype)
    start, n_batches = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds:
        rows = random.integers(len(grey), size=rbm_peers.BATCH)
        batch = random.random((len(rows), grey.shape[1]), dtype=np.float32) < grey[rows]
        model.learning_rate = rate * (1 - spent / seconds)
        model.partial_fit(batch.astype(np.float32))
        n_batches += 1
    what = f"rate {rate:g}, {n_batches * rbm_peers.BATCH / len(grey):.1f} passes"
    return judged(rbm_peers.parameters_of(model), grey, test, options, what)


def torch_in(seconds, rate, grey, test, options):
    model = rbm_peers.TorchRBM(256, grey, rate, options.seed)
    start, n_passes = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds:
        model.epoch(rate * (1 - spent / seconds), draws=True, until=start + seconds)
        n_passes += 1
    what = f"rate {rate:g}, {n_passes} passes"
    return judged(model.parameters, grey, test, options, what)


# ------------------------------------------------------------------------------------- grid search
def grid_search(report, X, options):
    """Search four learning rates, three folds, by the pseudo-likelihood: one job and two."""
    from sklearn.model_selection import GridSearchCV

    def search(n_jobs):
        model = ours(128, options.seed, max_iter=1 if options.quick else 5)
        return GridSearchCV(model, {"learning_rate": GRID}, cv=3, n_jobs=n_jobs).fit(X)

    calls = {"n_jobs=1": lambda: search(1), "n_jobs=2": lambda: search(2)}
    timings = _common.interleave(calls, 1 if options.quick else 3)
    for name, timing in timings.items():
        report.add("grid search, four rates", name, timing.best, "s")
    ratio = timings["n_jobs=2"].best / timings["n_jobs=1"].best
    report.add("grid search, four rates", "n_jobs=2 / n_jobs=1", ratio, "x", at_most=1.0)


if __name__ == "__main__":
    main()
