"""Features of restricted Boltzmann machines: MNIST with a linear classifier, and natural patches.

MNIST: Pipeline(RBM(1024), LogisticRegression), with settings selected on 10,000 held-out training
images and the test set used once; and the same with scikit-learn's BernoulliRBM. Patches: whitened
12 x 12 patches of photographs with Gaussian units and default settings, five seeds. Log-likelihoods
are compared with a Gaussian with full covariance, on patches from other parts of the photographs.
"""

import warnings

import numpy as np

from benchmarks import _common

HIDDEN = 1024
CANDIDATES = (
    {"sparsity_target": 0.1, "sparsity_cost": 1.0, "max_iter": 30},
    {"sparsity_target": 0.05, "sparsity_cost": 1.0, "max_iter": 30},
)
CONSTANTS = (0.3, 1.0)
FIRST_CONSTANT = 1.0
FEW = 20_000  # number of labels for the selection of the RBM
SIZE = 12
SEEDS = 5


def main():
    options = _common.options(__doc__)
    report = _common.Report("rbm_features", "Restricted Boltzmann machine: features")
    warnings.simplefilter("ignore")
    patches(report, options)
    mnist(report, options)
    report.save(options.results)


# ------------------------------------------------------------------------------------- digits
def mnist(report, options):
    from sklearn_ebm.datasets import fetch_mnist

    X, y = fetch_mnist(return_X_y=True)
    X = (X.reshape(len(X), -1) / 255).astype(np.float32)
    n_train = 6_000 if options.quick else 60_000
    train, test = (X[:n_train], y[:n_train]), (X[60_000:], y[60_000:])
    settings, constant = choose(train, options)
    report.note(f"chosen: {settings}, C={constant:g}")
    wrong = stack(report, "ours", rbm(settings, options), constant, train, test)
    report.add(f"MNIST, RBM({HIDDEN})", "test error", 100 * wrong, "%", at_most=1.9)
    wrong = stack(report, "scikit-learn", bernoulli_rbm(options), constant, train, test)
    report.add(f"MNIST, BernoulliRBM({HIDDEN}), ten passes", "test error", 100 * wrong, "%")


def rbm(settings, options):
    from sklearn_ebm import RBM

    if options.quick:
        settings = {**settings, "max_iter": 2}
    return RBM(HIDDEN, random_state=options.seed, **settings)


def bernoulli_rbm(options):
    from sklearn.neural_network import BernoulliRBM

    n_iter = 1 if options.quick else 10
    return BernoulliRBM(
        HIDDEN, learning_rate=0.05, batch_size=100, n_iter=n_iter, random_state=options.seed
    )


def classifier(constant):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=constant, max_iter=200)


def choose(train, options):
    """Select the RBM with few labels, then the penalty of the classifier with all labels."""
    X, y = train
    order = np.random.default_rng(options.seed).permutation(len(X))
    learn, held_out = order[: -len(X) // 6], order[-len(X) // 6 :]
    best = 1.0, None, None
    for settings in CANDIDATES[:1] if options.quick else CANDIDATES:
        model = rbm(settings, options).fit(X[learn])
        codes = model.transform(X[learn[:FEW]]), model.transform(X[held_out])
        wrong = error(
            classifier(FIRST_CONSTANT).fit(codes[0], y[learn[:FEW]]), codes[1], y[held_out]
        )
        print(f"  validation error {wrong:.2%}: {settings}", flush=True)
        best = min(best, (wrong, settings, model), key=lambda found: found[0])
    _, settings, model = best
    codes = model.transform(X[learn]), model.transform(X[held_out])
    trials = [
        (error(classifier(constant).fit(codes[0], y[learn]), codes[1], y[held_out]), constant)
        for constant in CONSTANTS
    ]
    print(f"  validation errors: {trials}", flush=True)
    return settings, min(trials)[1]


def stack(report, name, features, constant, train, test):
    from sklearn.pipeline import make_pipeline

    seconds, codes = _common.stopwatch(lambda: features.fit(train[0]).transform(train[0]))
    report.add(f"MNIST, {name}", "features of 60,000 learned and computed", seconds, "s")
    seconds, linear = _common.stopwatch(lambda: classifier(constant).fit(codes, train[1]))
    report.add(f"MNIST, {name}", "classifier", seconds, "s")
    return error(make_pipeline(features, linear), *test)  # both are already fitted


def error(model, X, y):
    return float(np.mean(model.predict(X) != y))


# ------------------------------------------------------------------------------------- patches
def patches(report, options):
    from sklearn_ebm import RBM

    n_train = 5_000 if options.quick else 60_000
    train, test = whitened(n_train, options)
    gaussian = [normal_log_likelihood(train, part) / SIZE**2 for part in (train, test)]
    report.add("patches", "full Gaussian, test log-likelihood", gaussian[1], "nats a pixel")
    gains = []
    for seed in range(1 if options.quick else SEEDS):
        model = RBM(256, visible="gaussian", random_state=options.seed + seed)
        seconds, _ = _common.stopwatch(lambda model=model: model.fit(train))
        finite = all(
            np.isfinite(each).all()
            for each in (model.components_, model.variance_, model.objective_curve_)
        )
        found = model.log_partition("ais", random_state=options.seed)
        value = float(np.mean(model.log_likelihood(test, found), dtype=np.float64)) / SIZE**2
        case = f"patches, RBM(256), seed {seed}"
        report.add(case, "test log-likelihood", value, "nats a pixel")
        report.add(case, "error of log Z, a pixel", found.error / SIZE**2, "nats")
        report.add(case, "every number finite", finite, at_least=1.0)
        report.add(case, f"{model.n_iter_} passes", seconds, "s")
        gains.append(value - gaussian[1])
        localised(report, case, model)
        if seed == 0:
            draw(model, options.results / "rbm_patches.png")
    least = min(gains)
    report.add("patches", "least gain over the Gaussian", least, "nats a pixel", at_least=0.0)
    report.note("filters of seed 0 in rbm_patches.png")


def whitened(n_train, options):
    """Return patches from two parts of the photographs, whitened by the first."""
    from benchmarks._images import campus
    from sklearn_ebm import ZCAWhitener
    from sklearn_ebm.datasets import sample_patches

    images = campus().astype(np.float32)
    train, test = (
        sample_patches(images, SIZE, n, min_variance=4.0, random_state=seed).reshape(n, -1)
        for n, seed in ((n_train, 2 * options.seed), (10_000, 2 * options.seed + 1))
    )
    whitener = ZCAWhitener(regularization=1e-3).fit(train)
    return whitener.transform(train), whitener.transform(test)


def normal_log_likelihood(train, test):
    """Return the mean log-density of a normal distribution with the moments of `train`."""
    from scipy.stats import multivariate_normal

    train = train.astype(np.float64)
    density = multivariate_normal(train.mean(axis=0), np.cov(train.T))
    return float(density.logpdf(test.astype(np.float64)).mean())


def localised(report, case, model):
    """Report the share of the filters that a Gabor function fits."""
    from sklearn_ebm.inspection import fit_gabor

    good = fit_gabor(model.components_, (SIZE, SIZE)).is_good().mean()
    report.add(case, "filters that a Gabor function fits", 100 * good, "%")


def draw(model, path):
    import matplotlib as mpl

    mpl.use("Agg")
    from sklearn_ebm.inspection import DictionaryDisplay

    display = DictionaryDisplay.from_estimator(model)
    display.figure_.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
