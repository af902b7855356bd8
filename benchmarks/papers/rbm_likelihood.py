"""Log-likelihoods of restricted Boltzmann machines: MNIST, compared with published ones, and DNA.

MNIST: 500 hidden units; pixels are sampled as zeros and ones anew in each training pass, and once
for the 10,000 test images; 14,500 temperatures and 100 runs of annealed importance sampling, as in
Salakhutdinov & Murray 2008. DNA: 180 binary features, 1,600 / 400 / 1,186 samples; settings and
stopping are selected on the validation set, and the test set is used once. The losses without
chains are compared with persistent chains on DNA, and on MNIST with 20 hidden units, whose log Z is
exact.

    python -m benchmarks.papers.rbm_likelihood [--parts NAME ...]

The table keeps the rows of parts that are not run again.
"""

import os
import warnings
from pathlib import Path

import numpy as np

from benchmarks import _common
from benchmarks.speed import rbm_peers

RECIPES = {  # name: settings, and the published log-likelihood
    "CD-1": ({"loss": "cd", "max_iter": 40, "learning_rate": 0.1}, -125.5),
    "CD-3": ({"loss": "cd", "n_gibbs_steps": 3, "max_iter": 40, "learning_rate": 0.1}, -105.5),
    "CD-25": ({"loss": "cd", "n_gibbs_steps": 25, "max_iter": 15}, -86.3),
    "PCD": ({"max_iter": 40}, -86.5),
    "PCD, best": ({"max_iter": 150, "learning_rate": 0.1}, -85.0),
}
LEAST = -88.0
EXACT = 0.1  # maximum difference of annealing and enumeration, in nats
DNA_HIDDEN = (50, 100, 200)
DNA_DECAYS = (1e-3, 3e-3, 1e-2)
DNA_PASSES = (100, 300)
LOSSES = ("pcd", "pseudo_likelihood", "minimum_probability_flow", "ratio_matching")
LOSS_DECAYS = (1e-3, 3e-3)
MIXTURES = (5, 10, 15, 20, 30, 40)


def main():
    parts = {part.__name__: part for part in (enumeration, mnist, dna, losses)}
    choice = {"nargs": "+", "choices": parts, "default": [*parts], "metavar": "NAME"}
    options = _common.options(__doc__, lambda parser: parser.add_argument("--parts", **choice))
    report = _common.Report("rbm_likelihood", "Restricted Boltzmann machine: log-likelihoods")
    warnings.simplefilter("ignore")
    for name in options.parts:
        parts[name](report, options)
    report.keep_saved(options.results)
    report.save(options.results)


# ----------------------------------------------------------------------------------- annealing
def enumeration(report, options):
    """Compare annealing with the sum over all states of 20 hidden units, on digits."""
    from sklearn_ebm import RBM

    grey, _, _ = rbm_peers.digits(options.seed, 5_000)
    for seed in range(3):
        model = RBM(20, binarize=True, max_iter=5 if options.quick else 20, random_state=seed)
        model.fit(grey)
        exact = model.log_partition("exact").value
        found = model.log_partition("ais", random_state=seed)
        case = f"20 hidden units, seed {seed}: log Z {exact:.2f}"
        difference = abs(found.value - exact)
        report.add(case, "AIS differs from enumeration", difference, "nats", at_most=EXACT)
        report.add(case, "its own standard error", found.error, "nats")


# --------------------------------------------------------------------------------------- MNIST
def mnist(report, options):
    from sklearn_ebm import RBM

    grey, _, test = rbm_peers.digits(options.seed, 2_000 if options.quick else 60_000)
    best = -np.inf
    for name, (settings, published) in RECIPES.items():
        if options.quick:
            settings = {**settings, "max_iter": 1}
        model = RBM(500, binarize=True, random_state=options.seed, **settings)
        seconds, _ = _common.stopwatch(lambda model=model: model.fit(grey))
        n_temperatures = 500 if options.quick else 14_500
        annealing = {"n_temperatures": n_temperatures, "random_state": options.seed}
        spent, found = _common.stopwatch(
            lambda model=model, annealing=annealing: model.log_partition("ais", **annealing)
        )
        value = float(np.mean(model.log_likelihood(test, found), dtype=np.float64))
        case = f"MNIST, 500 hidden units, {name}"
        report.add(case, f"test log-likelihood (published {published:g})", value, "nats")
        report.add(case, f"error of log Z ({found.value:.1f})", found.error, "nats")
        report.add(case, f"{model.n_iter_} passes", seconds, "s")
        report.add(case, "log Z", spent, "s")
        best = max(best, value)
    report.add("MNIST, 500 hidden units", "best test log-likelihood", best, "nats", at_least=LEAST)


# ----------------------------------------------------------------------------------------- DNA
def dna(report, options):
    path = Path(os.environ.get("SKLEARN_EBM_DATA", "data")) / "dna.npz"
    if not path.exists():
        report.note("no dna.npz in SKLEARN_EBM_DATA: DNA is left out")
        return
    with np.load(path) as parts:
        train, valid, test = (parts[name].astype(np.float32) for name in ("train", "valid", "test"))
    score, what = mixture_of_bernoullis(train, valid, test, options)
    report.add("DNA", f"mixture of {what} Bernoullis, test log-likelihood", score, "nats")
    machine(report, train, valid, test, options)
    report.note("in the literature restricted Boltzmann machines have about -97 on DNA")


def mixture_of_bernoullis(train, valid, test, options):
    """Fit by expectation maximisation with a weak prior; the validation set selects the model."""
    best = -np.inf, None, None
    for n_components in MIXTURES[:2] if options.quick else MIXTURES:
        for seed in range(1 if options.quick else 5):
            random = np.random.default_rng(options.seed + seed)
            means = random.uniform(0.25, 0.75, (n_components, train.shape[1]))
            weights = np.full(n_components, 1 / n_components)
            for _ in range(100):
                total = scores(train, means, weights)[:, None]
                posterior = np.exp(joint(train, means, weights) - total)
                counts = posterior.sum(axis=0)
                means = (posterior.T @ train + 0.5) / (counts[:, None] + 1)
                weights = (counts + 1e-3) / (counts + 1e-3).sum()
                found = scores(valid, means, weights).mean()
                if found > best[0]:
                    best = found, n_components, (means, weights)
    return float(scores(test, *best[2]).mean()), best[1]


def joint(X, means, weights):
    """Return log p(v, component)."""
    odds = np.log(means) - np.log1p(-means)
    return X @ odds.T + np.log1p(-means).sum(axis=1) + np.log(weights)


def scores(X, means, weights):
    from scipy.special import logsumexp

    return logsumexp(joint(X, means, weights), axis=1)


def machine(report, train, valid, test, options):
    from sklearn_ebm import RBM

    best = -np.inf, None, None
    grid = [(100, 1e-3, 25)] if options.quick else [
        (n_hidden, decay, n_passes)
        for n_hidden in DNA_HIDDEN
        for decay in DNA_DECAYS
        for n_passes in DNA_PASSES
    ]  # fmt: skip
    for n_hidden, decay, n_passes in grid:
        model = RBM(
            n_hidden, weight_decay=decay, max_iter=n_passes, batch_size=50,
            random_state=options.seed,
        ).fit(train)  # fmt: skip
        found = model.log_partition("ais", n_temperatures=1_000, random_state=options.seed)
        value = float(np.mean(model.log_likelihood(valid, found)))
        print(f"  {n_hidden} units, decay {decay:g}, {n_passes} passes: {value:.2f}", flush=True)
        if value > best[0]:
            best = value, model, f"{n_hidden} units, weight_decay={decay:g}, {n_passes} passes"
    value, model, what = best
    found = model.log_partition("ais", n_temperatures=20_000, random_state=options.seed + 1)
    report.add("DNA", f"RBM ({what}), validation log-likelihood", value, "nats")
    likelihood = float(np.mean(model.log_likelihood(test, found)))
    report.add("DNA", f"RBM ({what}), test log-likelihood", likelihood, "nats")
    report.add("DNA", "error of log Z", found.error, "nats")


# ------------------------------------------------------------------------------------- all losses
def losses(report, options):
    """Compare losses with and without chains, with the same model, data and number of passes."""
    _, train, test = rbm_peers.digits(options.seed, 2_000 if options.quick else 10_000)
    settings = [{"n_components": 20, "max_iter": 1 if options.quick else 10}]
    for loss in LOSSES:
        compare(report, options, "MNIST, 20 hidden units", loss, (train, None, test), settings)
    path = Path(os.environ.get("SKLEARN_EBM_DATA", "data")) / "dna.npz"
    if not path.exists():
        return
    with np.load(path) as parts:
        data = [parts[name].astype(np.float32) for name in ("train", "valid", "test")]
    n_passes = 5 if options.quick else 100
    settings = [
        {"n_components": 100, "weight_decay": decay, "max_iter": n_passes, "batch_size": 50}
        for decay in LOSS_DECAYS
    ]
    for loss in LOSSES:
        compare(report, options, "DNA, 100 hidden units", loss, data, settings)


def compare(report, options, case, loss, data, settings):
    """Report the test log-likelihood of the settings that are best on the validation set."""
    from sklearn_ebm import RBM

    (train, valid, test), best = data, (-np.inf,)
    for each in settings:
        model = RBM(loss=loss, random_state=options.seed, **each)
        seconds, _ = _common.stopwatch(lambda model=model: model.fit(train))
        found = model.log_partition(n_temperatures=2_000, random_state=options.seed)
        value = np.inf if valid is None else np.mean(model.log_likelihood(valid, found))
        if value > best[0]:
            likelihood = float(np.mean(model.log_likelihood(test, found), dtype=np.float64))
            best = value, likelihood, seconds, found.error
    _, likelihood, seconds, error = best
    report.add(case, f"{loss}: test log-likelihood", likelihood, "nats")
    report.add(case, f"{loss}: error of log Z", error, "nats")
    report.add(case, f"{loss}: {settings[0]['max_iter']} passes", seconds, "s")


if __name__ == "__main__":
    main()
