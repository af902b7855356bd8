"""Signals with several channels: filters of rank one, compared with alphacsc.

Simulated recordings: sources that reach all channels with fixed patterns, in pink noise. Each
source repeats a waveform. Both learn from the same number of waveforms in random windows, with the
same weight of the penalty, positive codes, and filters inside the signal. Objectives are recomputed
in float64 for both, with optimal codes.
"""

import time
import warnings

import numpy as np

from benchmarks import _common
from benchmarks.speed.conv_signals import mend_alphacsc

N_TIMES, N_CHANNELS, LENGTH, N_ATOMS = 10_000, 5, 64, 3
NOISE, ALPHA, N_ITER, SEEDS = 0.3, 2.0, 30, 3


def main():
    options = _common.options(__doc__)
    report = _common.Report("conv_rank_one", "Filters of rank one beside alphacsc")
    mend_alphacsc()
    warnings.simplefilter("ignore")
    coder(N_ATOMS, 2).fit(simulated(500, options.seed)[0])  # compiles
    n_times = 2000 if options.quick else N_TIMES
    for seed in range(1 if options.quick else SEEDS):
        X, waveforms, patterns = simulated(n_times, options.seed + seed)
        learning(report, X, (waveforms, patterns), seed, 3 if options.quick else N_ITER)
    report.save(options.results)


def simulated(n_times, seed):
    """Return a recording (1, 1, n_times, n_channels), its waveforms and its channel patterns."""
    random = np.random.default_rng(seed)
    time_axis = np.linspace(-1, 1, LENGTH)
    window = np.hanning(LENGTH)
    waveforms = np.stack(
        [
            window * np.sin(2 * np.pi * 4 * time_axis),
            window * np.sign(np.sin(2 * np.pi * 1.5 * time_axis)),
            np.exp(-((time_axis / 0.1) ** 2)) - 0.4 * np.exp(-(((time_axis - 0.4) / 0.2) ** 2)),
        ]
    )
    waveforms /= np.linalg.norm(waveforms, axis=1, keepdims=True)
    patterns = random.standard_normal((N_ATOMS, N_CHANNELS))
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    X = NOISE * pink(random, n_times)
    for waveform, pattern in zip(waveforms, patterns, strict=True):
        for start in random.integers(n_times - LENGTH, size=n_times // 200):
            size = random.uniform(5, 10)
            X[start : start + LENGTH] += size * np.outer(waveform, pattern)
    return X[None, None], waveforms, patterns


def pink(random, n_times):
    """Return noise of unit variance whose power is inversely proportional to the frequency."""
    spectrum = np.fft.rfft(random.standard_normal((n_times, N_CHANNELS)), axis=0)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))[:, None]
    noise = np.fft.irfft(spectrum, n_times, axis=0)
    return noise / noise.std(axis=0)


def coder(n_components, max_iter, **settings):
    from sklearn_ebm import ConvSparseCoder

    settings = {"rank_one": True, "crop_size": None, **settings}
    return ConvSparseCoder(
        n_components, kernel_size=LENGTH, alpha=ALPHA, border="valid", positive=True,
        max_iter=max_iter, tol=0, random_state=0, **settings,
    )  # fmt: skip


def learning(report, X, truth, seed, n_iter):
    """Report the seconds until the final objective of alphacsc is reached to one per cent."""
    case = f"seed {seed}"
    courses = {
        "alphacsc": scored(X, peer_course(X, seed, n_iter)),
        "ours": scored(X, our_course(X, seed, n_iter, rank_one=True)),
        "ours, any rank": scored(X, our_course(X, seed, n_iter, rank_one=False)),
    }
    goal = 1.01 * courses["alphacsc"][-1][1]
    reached = {}
    for who, course in courses.items():
        spent, value, filters = course[-1]
        report.add(case, f"{who}, objective with the best codes {value:.5g}", spent, "s")
        report.add(case, f"{who}, recovery of the sources", recovery(filters, *truth), "")
        reached[who] = next((spent for spent, value, _ in course if value <= goal), np.inf)
        report.add(case, f"{who}, within 1 % of alphacsc's", reached[who], "s")
    report.add(case, "alphacsc / ours", reached["alphacsc"] / reached["ours"], "x", at_least=2)


def scored(X, course):
    """Return the seconds, the objective with optimal codes and the filters of each step."""
    return [(spent, score(X, filters), filters) for spent, filters in course]


def score(X, filters):
    from sklearn_ebm import ConvSparseCoder

    filters = filters / np.sqrt(np.sum(filters**2, axis=(1, 2, 3), keepdims=True))
    model = ConvSparseCoder(
        dictionary=filters, alpha=ALPHA, border="valid", positive=True, code_tol=1e-5,
        code_max_iter=10_000,
    ).fit(X)  # fmt: skip
    return model.energy(X).sum()


def recovery(filters, waveforms, patterns):
    """Return the mean over the sources of the largest correlation with a filter at any shift."""
    planted = waveforms[:, :, None] * patterns[:, None, :]
    best = np.zeros(len(planted))
    for k, source in enumerate(planted):
        for found in filters[:, 0]:
            found = found / np.linalg.norm(found)
            products = [np.correlate(found[:, c], source[:, c], "full") for c in range(N_CHANNELS)]
            best[k] = max(best[k], np.abs(np.sum(products, axis=0)).max())
    return best.mean()


def our_course(X, seed, n_passes, rank_one):
    """Return (seconds, filters) after each pass."""
    model = coder(N_ATOMS, 1, rank_one=rank_one, warm_start=True).set_params(random_state=seed)
    spent, course = 0.0, []
    for _ in range(n_passes):
        spent += _common.stopwatch(lambda: model.fit(X))[0]
        course.append((spent, model.components_))
    return course


def peer_course(X, seed, n_iter):
    from alphacsc.learn_d_z_multi import learn_d_z_multi
    from alphacsc.utils.dictionary import get_D

    trials = np.ascontiguousarray(np.moveaxis(X[:, 0], 1, 2))
    course, began = [(0.0, None)], [time.perf_counter()]

    def keep(encoder, objectives):
        """Record the filters, and the time without this call."""
        now = time.perf_counter()
        filters = np.asarray(encoder.D_hat)
        filters = get_D(filters, N_CHANNELS) if filters.ndim == 2 else filters
        course.append((course[-1][0] + now - began[0], np.moveaxis(filters, 1, 2)[:, None].copy()))
        began[0] = time.perf_counter()

    def learn(n_iter, callback):
        learn_d_z_multi(
            trials, N_ATOMS, LENGTH, reg=ALPHA, n_iter=n_iter, rank1=True, lmbd_max="fixed",
            solver_z="lgcd", solver_z_kwargs={"tol": 1e-3, "max_iter": 100_000}, solver_d="auto",
            uv_constraint="separate", D_init="chunk", random_state=seed, n_jobs=1, verbose=0,
            callback=callback, raise_on_increase=False,
        )  # fmt: skip

    learn(1, None)  # compiles
    began[0] = time.perf_counter()
    learn(n_iter, keep)
    return course[1:]


if __name__ == "__main__":
    main()
