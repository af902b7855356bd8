"""Comparison of our solvers by the size of the filters and the sparsity of the maps.

A high-passed 256 x 256 photograph, 8 random windows as filters, the full border, float32: seconds
to a relative duality gap of 1e-2. `solver="auto"` is based on this table.
"""

import warnings

import numpy as np

from benchmarks import _common, _images

N_COMPONENTS, SIZE = 8, 256
KERNELS, ALPHAS = (11, 25, 64), (0.05, 0.3)
SOLVERS = ("local_cd", "fista", "fista_fft")
DIRECT = 25  # filter size above which FISTA by direct products takes minutes
GAP = 1e-2


def main():
    options = _common.options(__doc__)
    report = _common.Report("conv_solvers", "Solvers of convolutional codes")
    warnings.simplefilter("ignore")
    images = _images.high_passed()
    X = _images.crops(images[3:4], 96 if options.quick else SIZE, 1, options.seed)
    for size in KERNELS[:2] if options.quick else KERNELS:
        kernels = _images.windows(images[4:], size, N_COMPONENTS, options.seed)
        for alpha in ALPHAS:
            compare(report, X, kernels, alpha)
    report.save(options.results)


def compare(report, X, kernels, alpha):
    from sklearn_ebm import ConvSparseCoder

    seconds, size = {}, kernels.shape[1]
    for solver in SOLVERS:
        if solver == "fista" and size > DIRECT:
            continue
        coder = ConvSparseCoder(
            dictionary=kernels, alpha=alpha, solver=solver, code_tol=GAP, code_max_iter=5_000
        ).fit(X)
        coder.transform(X[:, : size + 1, : size + 1])  # compiles
        seconds[solver], code = _common.stopwatch(lambda coder=coder: coder.transform(X))
        case = f"{size} x {size}, alpha {alpha}"
        gap, on = float(coder.duality_gap(X, code)[0]), 100 * np.mean(code != 0)
        report.add(case, f"{solver}, gap {gap:.0e}, {on:.1f} % on", seconds[solver], "s")
    others = min(spent for solver, spent in seconds.items() if solver != "local_cd")
    report.add(case, "the best other / local_cd", others / seconds["local_cd"], "x", at_least=1)


if __name__ == "__main__":
    main()
