"""Codes with lateral inhibition to a stationarity of 1e-6: compared with the lasso, and with ISTA.

Contrast-normalised natural 12x12 patches in float64, and 256 atoms that were learned with the
penalty. The lasso has the same atoms and the same share of non-zero codes, and is solved by
coordinate descent to duality gaps of 1e-6. Stationarity, the largest violation of the first-order
conditions over the largest correlation with an atom, is recomputed from the definition. ISTA, which
also minimises this energy, is given a fixed number of steps for some of the patches.
"""

import warnings

import numpy as np

from benchmarks import _common

N_COMPONENTS = 256
TOL = 1e-6
MAX_ITER = 20_000  # so that all codes converge
CASES = {
    "map": ({"map_shape": (16, 16)}, 0.1),
    "map, weak": ({"map_shape": (16, 16)}, 0.03),
    "tree": ({"structure": "tree"}, 0.05),
}
N_ISTA, ISTA_STEPS = 500, 400


def main():
    options = _common.options(__doc__)
    warnings.simplefilter("ignore")  # ISTA and learning end after fixed numbers of steps
    report = _common.Report("inhibition_codes", "Codes with lateral inhibition, float64")
    X = _common.natural_patches(2_000 if options.quick else 20_000, seed=options.seed + 7)
    for name, (structure, alpha) in CASES.items():
        compare(report, name, X, structure, alpha, options)
    report.note(f"{len(X)} samples; best of interleaved rounds; starts from zero")
    report.save(options.results)


def compare(report, name, X, structure, alpha, options):
    from sklearn_ebm import InhibitionPenalty, SparseCoder

    penalty = InhibitionPenalty(**structure)
    passes = 2 if options.quick else 5
    coder = SparseCoder(N_COMPONENTS, penalty=penalty, alpha=alpha, max_iter=passes, random_state=0)
    atoms, strength = coder.fit(X).components_, alpha * penalty.strengths(N_COMPONENTS)
    how = {"penalty": penalty, "tol": TOL, "max_iter": MAX_ITER}
    share = np.mean(_common.encode(X[:1000], atoms, alpha, **how) != 0)
    lasso_alpha = _common.alpha_for_density(X[:1000], atoms, share)
    timings = _common.interleave(
        {
            "inhibition": lambda: _common.encode(X, atoms, alpha, **how),
            "lasso": lambda: _common.encode(
                X, atoms, lasso_alpha, solver="cd", tol=TOL, max_iter=MAX_ITER
            ),
        },
        rounds=2 if options.quick else 5,
    )
    for who, timing in timings.items():
        report.add(name, f"{who}, non-zero codes", 100 * np.mean(timing.result != 0), "%")
        report.add(name, f"{who}, time", timing.best, "s")
    violation = stationarity(X, timings["inhibition"].result, atoms, strength)
    report.add(name, "inhibition, largest stationarity", violation.max(), at_most=1.01 * TOL)
    ratio = timings["inhibition"].best / timings["lasso"].best
    report.add(name, "inhibition / lasso", ratio, "x", at_most=3)
    against_ista(report, name, X[:N_ISTA], atoms, alpha, penalty, strength)


def against_ista(report, name, X, atoms, alpha, penalty, strength):
    how = {"penalty": penalty, "solver": "ista", "tol": 0.0, "max_iter": ISTA_STEPS}
    timings = _common.interleave(
        {
            "inhibition": lambda: _common.encode(
                X, atoms, alpha, penalty=penalty, tol=TOL, max_iter=MAX_ITER
            ),
            "ISTA": lambda: _common.encode(X, atoms, alpha, **how),
        },
        rounds=2,
    )
    violation = stationarity(X, timings["ISTA"].result, atoms, strength)
    steps = f"ISTA, {ISTA_STEPS} steps"
    report.add(name, f"{steps}, median stationarity", np.median(violation))
    report.add(
        name, f"{steps} / inhibition", timings["ISTA"].best / timings["inhibition"].best, "x"
    )


def stationarity(X, code, atoms, strength):
    """Return the largest violation of the first-order conditions, relative to max_j |x d_j'|."""
    slope, threshold = (X - code @ atoms) @ atoms.T, np.abs(code) @ strength
    away = np.abs(slope - np.sign(code) * threshold)
    beyond = np.maximum(np.abs(slope) - threshold, 0)
    largest = np.where(code != 0, away, beyond).max(axis=1)
    return largest / np.abs(X @ atoms.T).max(axis=1)


if __name__ == "__main__":
    main()
