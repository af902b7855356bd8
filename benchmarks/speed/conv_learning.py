"""Filters learned from 40 crops: held-out objective over seconds, ours and SPORCO's online CDL.

High-passed 256 x 256 crops of photographs in float32, 32 filters of 11 x 11, alpha 0.05, the same
initial filters. SPORCO learns from whole crops on a torus by `OnlineConvBPDNDictLearn`, with the
best of a few settings; ours learns from 64 x 64 windows of the same crops with the full border. The
measure is the minimum objective of crops of other photographs on a torus, with filters of norm one.
"""

import time
import warnings

import numpy as np

from benchmarks import _common, _images

ALPHA, N_COMPONENTS, SIZE, KERNEL, N_CROPS = 0.05, 32, 256, 11, 40
CROP = 64
HELD_OUT = 2  # number of photographs, with two crops of each
SECONDS = 20
SETTINGS = [  # of SPORCO: step sizes a / (b + i), iterations for each crop
    (10.0, 5.0, 20), (10.0, 5.0, 40), (10.0, 5.0, 10), (25.0, 10.0, 20), (25.0, 20.0, 10),
]  # fmt: skip


def main():
    options = _common.options(__doc__)
    report = _common.Report("conv_learning", "Kernels from 40 crops of photographs")
    warnings.simplefilter("ignore")
    _images.use_threads(options.threads)
    size, n_crops, seconds = (96, 8, 2) if options.quick else (SIZE, N_CROPS, SECONDS)
    images = _images.high_passed()
    train = _images.crops(images[:-HELD_OUT], size, n_crops, options.seed)
    judge = Judge(_images.crops(images[-HELD_OUT:], size, 2 * HELD_OUT, options.seed))
    first = _images.windows(train, KERNEL, N_COMPONENTS, options.seed)
    report.add("before", "held-out objective", judge(first))
    ours(train[:2], first, 1e-9, options)  # compiles
    rows = [
        sporco(train, first, seconds, *setting)
        for setting in SETTINGS[: 2 if options.quick else None]
    ]
    scores = [judge(kernels[-1][1]) for kernels in rows]
    best = int(np.argmin(scores))
    rounds = {"ours": [], "SPORCO": []}
    for round_ in range(1 if options.quick else 2):
        seed = options.seed + round_
        rounds["SPORCO"].append(curve(sporco(train, first, seconds, *SETTINGS[best], seed), judge))
        rounds["ours"].append(curve(ours(train, first, seconds, options, seed), judge))
        reached = next(
            (t for t, score in rounds["ours"][-1] if score <= rounds["SPORCO"][-1][-1][1]), np.inf
        )
        spent = rounds["SPORCO"][-1][-1][0]
        case = f"seed {seed}"
        report.add(case, f"SPORCO after {spent:.0f} s", rounds["SPORCO"][-1][-1][1])
        report.add(case, "ours is there after", reached, "s", at_most=spent / 4)
        report.add(case, f"ours after {rounds['ours'][-1][-1][0]:.0f} s", rounds["ours"][-1][-1][1])
    report.note(f"SPORCO's best of {len(rows)} settings: a, b, iterations = {SETTINGS[best]}")
    draw(rounds, options.results / "conv_learning.png")
    report.save(options.results)


class Judge:
    """Mean minimum objective of held-out crops."""

    def __init__(self, images):
        self.images = images

    def __call__(self, kernels):
        from sklearn_ebm import ConvSparseCoder

        kernels = kernels / np.linalg.norm(kernels, axis=(1, 2), keepdims=True)
        coder = ConvSparseCoder(
            dictionary=kernels, alpha=ALPHA, border="circular", code_tol=3e-3
        ).fit(self.images)
        return float(np.mean(coder.energy(self.images)))


def curve(snapshots, judge):
    return [(seconds, judge(kernels)) for seconds, kernels in snapshots]


def moments(seconds, finer=1):
    """Return the seconds at which filters are evaluated, in a geometric sequence."""
    return seconds * 2.0 ** -np.linspace(3, 0, 6 * finer + 1)


def ours(train, first, seconds, options, seed=0):
    """Return (seconds, filters) during learning; the evaluation is excluded."""
    from sklearn_ebm import ConvSparseCoder

    coder = ConvSparseCoder(
        kernel_size=KERNEL, alpha=ALPHA, dictionary_init=first, crop_size=CROP, random_state=seed
    )
    order, spent, snapshots, due = (
        np.random.RandomState(seed),
        0.0,
        [],
        list(moments(seconds, finer=2)),
    )
    while due:
        for n in order.permutation(len(train)):
            spent += _common.stopwatch(lambda n=n: coder.partial_fit(train[n : n + 1]))[0]
            if due and spent >= due[0]:
                snapshots.append((spent, coder.components_[..., 0]))
                due = [moment for moment in due if moment > spent]
            if not due:
                break
    return snapshots


def sporco(train, first, seconds, step, delay, n_iter, seed=0):
    """Return the same for SPORCO's online learner."""
    from sporco.dictlrn import onlinecdl

    codes = {
        "rho": 5.0, "AutoRho": {"Enabled": True}, "RelaxParam": 1.8, "RelStopTol": 1e-2,
        "MaxMainIter": n_iter, "FastSolve": True, "DataType": np.float32,
    }  # fmt: skip
    options = onlinecdl.OnlineConvBPDNDictLearn.Options(
        {"Verbose": False, "eta_a": step, "eta_b": delay, "DataType": np.float32, "CBPDN": codes}
    )
    learner = onlinecdl.OnlineConvBPDNDictLearn(np.moveaxis(first, 0, 2), ALPHA, options)
    order, spent, snapshots, due = np.random.RandomState(seed), 0.0, [], list(moments(seconds))
    while due:
        for n in order.permutation(len(train)):
            began = time.perf_counter()
            learner.solve(train[n])
            spent += time.perf_counter() - began
            if due and spent >= due[0]:
                snapshots.append((spent, np.moveaxis(learner.getdict().squeeze(), 2, 0)))
                due = [moment for moment in due if moment > spent]
            if not due:
                break
    return snapshots


def draw(rounds, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for (who, curves), colour in zip(rounds.items(), ("C0", "C3"), strict=True):
        for n, points in enumerate(curves):
            axes.plot(*zip(*points, strict=True), "o-", color=colour, label=None if n else who)
    axes.set(xscale="log", xlabel="seconds of learning", ylabel="held-out objective")
    axes.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
