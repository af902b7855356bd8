"""Dictionary learning: held-out objective over time, ours compared with SPAMS and scikit-learn.

100,000 natural patches of norm 1, 256 atoms, alpha 0.08. All dictionaries are evaluated by the mean
energy of 2,000 other patches with exact codes. Evaluation is excluded from the time.
"""

import time
import warnings
from contextlib import suppress

import numpy as np

from benchmarks import _common

ALPHA = 0.08
N_COMPONENTS = 256
BATCH_SIZE = 512  # of ours, as `batch_size="auto"` chooses for so many patches
SPAMS_MARK, SKLEARN_MARK = 5, 40  # seconds


def main():
    options = _common.options(__doc__)
    report = _common.Report("dictionary_learning", "Dictionary learning, 256 atoms")
    n_samples = 10_000 if options.quick else 100_000
    X = _common.natural_patches(n_samples, seed=options.seed + 1, norm=1.0, dtype=np.float32)
    judge = Judge(_common.natural_patches(2_000, seed=options.seed + 99, norm=1.0))
    curves = {"ours": our_curve(X, judge, options), "ours, fit": our_fits(X, judge, options)}
    report.note(f"first batch of a fresh process: {curves['ours'].first:.2f} s, outside of curves")
    compare_spams(report, X, judge, curves, options)
    compare_sklearn(report, X, judge, curves, options)
    plot(curves, options)
    report.save(options.results)


class Judge:
    """Mean energy of held-out patches with exact codes of a dictionary, in float64."""

    def __init__(self, X):
        self.X = X

    def __call__(self, dictionary):
        dictionary = dictionary.astype(np.float64)
        return _common.optimal_energy(self.X, dictionary, ALPHA).mean()


class Curve(list):
    """Pairs (seconds, held-out objective), and the seconds of the first call."""

    first = 0.0

    def time_to(self, value):
        """Return the seconds to the first point as good as `value`; infinity if there is none."""
        return min((seconds for seconds, reached in self if reached <= value), default=np.inf)


# ------------------------------------------------------------------------------------------- ours
def our_learner(options, **how):
    from sklearn_ebm import SparseCoder

    return SparseCoder(N_COMPONENTS, alpha=ALPHA, random_state=options.seed, **how)


def our_curve(X, judge, options):
    """Call partial_fit for batches, and evaluate about thirty intermediate dictionaries."""
    curve = Curve()
    batch = BATCH_SIZE
    curve.first = _common.stopwatch(lambda: our_learner(options).partial_fit(X[:batch]))[0]
    learner, seconds, n_batches = our_learner(options), 0.0, 0
    marks = iter(np.geomspace(0.1, 2 if options.quick else 12, 30))
    mark = next(marks)
    for rows in _endless_batches(len(X), batch, options.seed):
        part = X[rows]
        spent, _ = _common.stopwatch(lambda part=part: learner.partial_fit(part))
        seconds, n_batches = seconds + spent, n_batches + 1
        if seconds >= mark:
            curve.append((seconds, judge(learner.components_)))
            mark = next((value for value in marks if value > seconds), None)
            if mark is None:
                return curve


def _endless_batches(n_samples, batch, seed):
    generator = np.random.default_rng(seed)
    while True:
        order = generator.permutation(n_samples)
        for start in range(0, n_samples, batch):
            yield order[start : start + batch]


def our_fits(X, judge, options):
    """Call fit for parts of the data, and for several passes over all of it."""
    curve = Curve()
    parts = ((0.125, 1), (0.25, 1), (0.5, 1), (1, 1), (1, 2), (1, 4))
    for part, passes in parts[: 3 if options.quick else None]:
        learner = our_learner(options, max_iter=passes, tol=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the number of passes is the intended stop
            some = X[: int(part * len(X))]
            seconds, _ = _common.stopwatch(lambda learner=learner, some=some: learner.fit(some))
        curve.append((seconds, judge(learner.components_)))
    return curve


# ------------------------------------------------------------------------------------------ SPAMS
def compare_spams(report, X, judge, curves, options):
    """Compare with SPAMS at its mark, by the median of three runs, which differ."""
    for dtype in ("float32", "float64"):
        columns = np.asfortranarray(X.T.astype(dtype))
        curve = Curve(
            spams_point(columns, s, judge) for s in ((1,) if options.quick else (1, 2, 10))
        )
        mark = 2 if options.quick else SPAMS_MARK
        runs = sorted((spams_point(columns, mark, judge) for _ in range(3)), key=lambda run: run[1])
        curve = curves[f"SPAMS {dtype}"] = Curve(sorted([*curve, runs[1]]))
        report.add(f"SPAMS, {dtype}", f"objective after {mark} s", runs[1][1])
        report.note(f"the three runs: {', '.join(f'{value:.5f}' for _, value in runs)}")
        for name in ("ours", "ours, fit"):
            seconds = curves[name].time_to(runs[1][1])
            at_most = mark / 2 if name == "ours" else None
            report.add(f"SPAMS, {dtype}", f"{name}, time to it", seconds, "s", at_most=at_most)


def spams_point(columns, seconds, judge):
    """Return (seconds, objective) of SPAMS's online learner for a time limit."""
    import spams

    elapsed, atoms = _common.stopwatch(
        lambda: spams.trainDL(
            columns,
            K=N_COMPONENTS,
            lambda1=ALPHA,
            iter=-seconds,
            batchsize=512,
            numThreads=_common.THREADS,
            verbose=False,
        )
    )
    return elapsed, judge(np.ascontiguousarray(atoms.T))


# ----------------------------------------------------------------------------------- scikit-learn
def compare_sklearn(report, X, judge, curves, options):
    """Compare with two starts: its own SVD of all data, and random samples."""
    generator = np.random.default_rng(options.seed)
    samples = X[generator.choice(len(X), N_COMPONENTS, replace=False)].astype(np.float64)
    for name, start in (("default start", None), ("samples as start", samples)):
        curve = curves[f"scikit-learn, {name}"] = sklearn_curve(X, judge, start, options)
        mark, value = curve[-1]
        case = f"scikit-learn, {name}"
        report.add(case, f"objective after {mark:.0f} s", value)
        seconds = curves["ours"].time_to(value)
        report.add(case, "ours, time to it", seconds, "s", at_most=mark / 10)
        report.add(case, "ours, fit, time to it", curves["ours, fit"].time_to(value), "s")


class _Enough(Exception):
    pass


def sklearn_curve(X, judge, start, options):
    """Run MiniBatchDictionaryLearning; coordinate descent with batches of 256 is fastest here."""
    from sklearn.decomposition import MiniBatchDictionaryLearning

    marks = [2, 4] if options.quick else [1, 2, 5, 10, 20, SKLEARN_MARK]
    curve, judging, begin = Curve(), [0.0], time.perf_counter()

    def watch(state):
        seconds = time.perf_counter() - begin - judging[0]
        if seconds < marks[0]:
            return
        while marks and seconds >= marks[0]:
            marks.pop(0)
        spent, value = _common.stopwatch(lambda: judge(state["dictionary"]))
        curve.append((seconds, value))
        judging[0] += spent
        if not marks:
            raise _Enough

    learner = MiniBatchDictionaryLearning(
        N_COMPONENTS,
        alpha=ALPHA,
        fit_algorithm="cd",
        batch_size=256,
        max_iter=10_000,
        tol=0,
        max_no_improvement=None,
        dict_init=start,
        callback=watch,
        random_state=options.seed,
    )
    data = X.astype(np.float64)
    begin = time.perf_counter()
    with warnings.catch_warnings(), suppress(_Enough):
        warnings.simplefilter("ignore")  # for samples for which its sweeps are insufficient
        learner.fit(data)
    return curve


def plot(curves, options):
    _common.plot_curves(
        {name: curve for name, curve in curves.items() if curve},
        options.results / "dictionary_learning.png",
        ylabel="mean held-out objective",
        title=f"Dictionary learning, {N_COMPONENTS} atoms, {_common.THREADS} threads",
        logarithmic=False,
    )


if __name__ == "__main__":
    main()
