"""MNIST: raw pixels, optimal codes and encoder codes with the same linear classifier.

Pipeline(scaling, PSD, Rectifier, LogisticRegression). All settings are selected on 10,000 held-out
training images, with models trained on 20,000 others; the test set is used once for each of the
three rows. Each image is divided by the root mean square of its pixels: stroke width and ink then
have the same weight in all images, and alpha has the same effect. (Standardising each pixel would
amplify the border, where pixels are non-zero in only a few images.)
"""

import time
import warnings
from itertools import product

import numpy as np

from benchmarks import _common

N_COMPONENTS = 1024
ALPHAS = (1.0, 2.0, 4.0)
ENCODERS = ("shrinkage", "tanh")
CONSTANTS = (0.1, 1.0, 3.0)
FIRST_CONSTANT = 0.3
MODES = ("abs", "split")


def main():
    options = _common.options(__doc__)
    report = _common.Report("mnist", "MNIST, at most 1,024 components")
    train, test = data(options)
    warnings.simplefilter("ignore")  # the number of passes is limited on purpose
    start = time.perf_counter()
    chosen = choose(*validation_split(train, options), options)
    report.add("choice of settings on training data", "time", time.perf_counter() - start, "s")
    errors = {}
    for name, settings in chosen.items():
        errors[name] = final(report, name, settings, train, test, options)
    best = min(errors["optimal codes"], errors["encoder codes"])
    report.add("better of optimal and encoder codes", "test error", 100 * best, "%", at_most=3.0)
    report.save(options.results)


def data(options):
    """Return ((X_train, y_train), (X_test, y_test)) with pixels from 0 to 1 in float32."""
    from sklearn_ebm.datasets import fetch_mnist

    X, y = fetch_mnist(return_X_y=True)
    X = (X.reshape(len(X), -1) / 255).astype(np.float32)
    train, test = (X[:60_000], y[:60_000]), (X[60_000:], y[60_000:])
    return ((train[0][:6000], train[1][:6000]), test) if options.quick else (train, test)


def validation_split(train, options):
    """Return parts of the training set for training and for model selection."""
    X, y = train
    order = np.random.default_rng(options.seed).permutation(len(X))
    learn, held_out = order[: len(X) // 3], order[-len(X) // 6 :]
    return (X[learn], y[learn]), (X[held_out], y[held_out])


# ------------------------------------------------------------------------------------------ models
def unit_contrast(X):
    """Divide each image by the root mean square of its pixels."""
    return X / np.sqrt(np.mean(np.square(X), axis=1, keepdims=True))


def scaling():
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(unit_contrast)


def psd(options, *, alpha, encoder, inference="encoder"):
    from sklearn_ebm import PSD

    return PSD(
        64 if options.quick else N_COMPONENTS,
        alpha=alpha,
        encoder=encoder,
        inference=inference,
        max_iter=2 if options.quick else 4,
        tol=0,
        random_state=options.seed,
    )


def classifier(constant):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=constant, max_iter=300)


def pipeline(settings, options):
    from sklearn.pipeline import make_pipeline

    from sklearn_ebm import Rectifier

    settings = dict(settings)
    constant, mode = settings.pop("C"), settings.pop("mode")
    if mode is None:
        return make_pipeline(scaling(), classifier(constant))
    features = psd(options, **settings)
    return make_pipeline(scaling(), features, Rectifier(mode=mode), classifier(constant))


# ------------------------------------------------------------------------------------------ choice
def choose(learn, held_out, options):
    """Return name of the features -> settings with the lowest validation error.

    First alpha and encoder are selected with one penalty of the classifier, then the penalty and
    the rectifier for the best of each inference.
    """
    learn = unit_contrast(learn[0]), learn[1]
    held_out = unit_contrast(held_out[0]), held_out[1]
    trials = [trial(*learn, *held_out, {"C": C, "mode": None}) for C in CONSTANTS]
    chosen = {"raw pixels": min(trials, key=first)[1]}
    for name, best in code_trials(learn, held_out, options).items():
        _, settings, features, held_out_features = best
        problem = features, learn[1], held_out_features, held_out[1]
        trials = [
            trial(*problem, {**settings, "C": C, "mode": mode})
            for C, mode in product(CONSTANTS, MODES)
        ]
        chosen[name] = min(trials, key=first)[1]
    return chosen


def code_trials(learn, held_out, options):
    """Return name -> (validation error, settings, codes, held-out codes) of the best models."""
    best = {}
    grid = [(1.0, "shrinkage")] if options.quick else product(ALPHAS, ENCODERS)
    for alpha, encoder in grid:
        model = psd(options, alpha=alpha, encoder=encoder).fit(learn[0])
        for inference in ("optimal", "encoder"):
            model.set_params(inference=inference)
            code, held_out_code = model.transform(learn[0]), model.transform(held_out[0])
            settings = {"alpha": alpha, "encoder": encoder, "inference": inference}
            tried = {**settings, "C": FIRST_CONSTANT, "mode": "split"}
            wrong, _ = trial(code, learn[1], held_out_code, held_out[1], tried)
            found = wrong, settings, code, held_out_code
            name = f"{inference} codes"
            best[name] = min(best.get(name, found), found, key=first)
    return best


def trial(features, y, held_out_features, held_out_y, settings):
    """Return (validation error, settings) of a classifier on rectified codes, or on pixels."""
    from sklearn.pipeline import make_pipeline

    from sklearn_ebm import Rectifier

    steps = [Rectifier(mode=settings["mode"])] if settings["mode"] else []
    model = make_pipeline(*steps, classifier(settings["C"])).fit(features, y)
    wrong = error(model, held_out_features, held_out_y)
    print(f"  validation error {wrong:.2%}: {settings}", flush=True)
    return wrong, settings


def first(found):
    """Return the validation error, by which trials are compared."""
    return found[0]


def error(model, X, y):
    return float(np.mean(model.predict(X) != y))


def final(report, name, settings, train, test, options):
    """Train on the whole training set, and evaluate once on the test set."""
    model = pipeline(settings, options)
    fit_seconds, _ = _common.stopwatch(lambda: model.fit(*train))
    predict_seconds, wrong = _common.stopwatch(lambda: error(model, *test))
    report.add(name, "test error", 100 * wrong, "%")
    report.add(name, "fit", fit_seconds, "s")
    report.add(name, "predict 10,000", predict_seconds, "s")
    report.note(f"{name}: {', '.join(f'{key}={value}' for key, value in settings.items())}")
    return wrong


if __name__ == "__main__":
    main()
