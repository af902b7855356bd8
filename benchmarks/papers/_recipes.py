"""Common parts of the benchmarks of layerwise training: stored trials, and random filters.

A trial is one number for one seed. Each trial is written to a file when it is finished, so that a
run of several hours can be interrupted and resumed. The trials of the tables are in
`benchmarks/results/trials`: a run resumes from them if SKLEARN_EBM_BENCHMARK_CACHE is this folder.
"""

import functools
import json
import time
from datetime import date

import numpy as np

from benchmarks import _common


def digit_stages(base, seed, classifier, **settings):
    """Return two stages for MNIST, with filters learned from patches by a class like ConvPSD."""
    from sklearn_ebm import make_feature_hierarchy

    patches = {"border": "valid", "crop_size": "patch", "batch_size": 256}
    model = base(**patches, encoder="shrinkage", max_iter=2, tol=0)
    return make_feature_hierarchy(
        model=model,
        n_components=(64, 128),
        kernel_size=5,
        classifier=classifier,
        random_state=seed,
        **settings,
    )


class Trials:
    """Numbers by name, each computed once and stored in the cache of the benchmarks.

    Parameters
    ----------
    name : str
        Name of the benchmark.
    options : namespace
        Command line options. Quick runs have a separate cache.
    """

    def __init__(self, name, options):
        kind = "quick_" if options.quick else ""
        self.path = _common.cache_folder() / f"{kind}{name}_trials.json"
        self.numbers = json.loads(self.path.read_text()) if self.path.exists() else {}

    def number(self, *key, compute):
        """Return the number with this name; a missing number is computed by compute() and timed."""
        name = _name(key)
        if name not in self.numbers:
            start = time.perf_counter()
            value = float(compute())
            self.numbers[name] = value, time.perf_counter() - start
            self.path.write_text(json.dumps(self.numbers, indent=1))
            print(f"  {name}: {value:.4g} after {self.numbers[name][1]:.0f} s", flush=True)
        return self.numbers[name][0]

    def report(self, report, measure, keys, unit, **target):
        """Add a row with the mean over some trials, and one with their standard deviation."""
        values = [self.numbers[_name(key)][0] for key in keys]
        case = keys[0][0]
        report.add(case, f"{measure}, mean of {len(values)}", np.mean(values), unit, **target)
        if len(values) > 1:
            report.add(case, "standard deviation", np.std(values, ddof=1), unit)

    def seeds(self, name):
        """Return the seeds of the stored trials whose name is followed by nothing but the seed."""
        keys = (key.rpartition(" | ") for key in self.numbers)
        return sorted(int(seed) for first, _, seed in keys if first == name)

    def cost(self):
        """Return the total time and the date of the table, in words."""
        hours = sum(seconds for _, seconds in self.numbers.values()) / 3600
        return f"made on {date.today()} from trials that took {hours:.1f} hours together"

    def seconds(self, keys):
        """Return the total time of some trials."""
        return sum(self.numbers[_name(key)][1] for key in keys)


def _name(key):
    return " | ".join(str(part) for part in key)


def before_and_after(trials, keys, fitted, tuned, measure):
    """Run trials: the measure of fitted() and, with a second key, of tuned(fitted()).

    Both use the same fitted model, which is fitted again if the first trial is from an earlier run.
    """
    fitted = functools.cache(fitted)
    trials.number(*keys[0], compute=lambda: measure(fitted()))
    for key in keys[1:]:
        trials.number(*key, compute=lambda: measure(tuned(fitted())))


@functools.cache
def random_model(base):
    """Return a class like ConvPSD or PSD with random filters that are not learned."""

    from sklearn_ebm.estimators._atoms import Atoms
    from sklearn_ebm.estimators._dictionary_learning import DictionaryLearning
    from sklearn_ebm.estimators._filters import Filters, filters_of

    class AtRandom:
        def drawn(self, X, n_components, weights, random_state):
            first = super().drawn(X, n_components, weights, random_state)
            noise = random_state.standard_normal(first.shape).astype(first.dtype)
            return self.normalized(noise)

    class RandomAtoms(AtRandom, Atoms):
        pass

    class RandomFilters(AtRandom, Filters):
        pass

    class NoLearning(DictionaryLearning):
        def _has_work(self):
            return False

    class Random(base):
        _learning = NoLearning

        def _atoms(self):
            if base._atoms is filters_of:
                return filters_of(self, RandomFilters)
            return RandomAtoms(self.n_components, None)

    return Random


def percent_wrong(classifier, X, y):
    """Return the test error in percent."""
    return 100 * (1 - classifier.score(X, y))


def mnist(options):
    """Return (X_train, y_train), (X_test, y_test): images with pixels from 0 to 1 in float32."""
    from sklearn_ebm.datasets import fetch_mnist

    X, y = fetch_mnist(return_X_y=True)
    X = (X.reshape(-1, 28, 28) / 255).astype(np.float32)
    train, test = (X[:60_000], y[:60_000]), (X[60_000:], y[60_000:])
    if options.quick:
        train, test = [(images[:600], labels[:600]) for images, labels in (train, test)]
    return train, test
