"""GridSearchCV over five alphas of PSD(128) + LogisticRegression on digits."""

import warnings

from benchmarks import _common

ALPHAS = [0.25, 0.5, 1.0, 2.0, 4.0]


def main():
    options = _common.options(__doc__)
    report = _common.Report("grid_search", "Grid search over five alphas, 3 folds, digits")
    ours(report, rounds=1 if options.quick else 3)
    if not options.quick:
        seconds, search = _common.stopwatch(lambda: search_of(scikit_learn(), 1))
        add(report, "scikit-learn MiniBatchDictionaryLearning(128), lasso_cd", seconds, search)
    report.save(options.results)


def ours(report, rounds):
    """Run n_jobs=1 and n_jobs=2 alternately; the first runs start workers and load kernels."""
    timings = _common.interleave(
        {"n_jobs=1": lambda: search_of(psd(), 1), "n_jobs=2": lambda: search_of(psd(), 2)}, rounds
    )
    for name, timing in timings.items():
        search = timing.result
        add(report, f"ours, {name}", timing.best, search, at_most=10)
        report.add(f"ours, {name}", "first call", timing.first, "s")
    ratio = timings["n_jobs=2"].best / timings["n_jobs=1"].best
    report.add("ours", "n_jobs=2 / n_jobs=1", ratio, "x", at_most=1.0)


def add(report, case, seconds, search, **target):
    report.add(case, "seconds", seconds, "s", **target)
    best = next(iter(search.best_params_.values()))
    report.add(case, f"cross-validated accuracy, alpha {best}", search.best_score_)


def search_of(features, n_jobs):
    """Return the whole search, as written by users."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_digits(return_X_y=True)
    steps = [("scale", StandardScaler()), ("features", features)]
    pipeline = Pipeline([*steps, ("classify", LogisticRegression(max_iter=1000))])
    alphas = {"features__alpha": ALPHAS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GridSearchCV(pipeline, alphas, cv=3, n_jobs=n_jobs).fit(X, y)


def psd():
    from sklearn_ebm import PSD

    return PSD(128, random_state=0)


def scikit_learn():
    from sklearn.decomposition import MiniBatchDictionaryLearning

    return MiniBatchDictionaryLearning(
        128, fit_algorithm="cd", transform_algorithm="lasso_cd", random_state=0
    )


if __name__ == "__main__":
    main()
