"""FISTA to a relative suboptimality of 1e-3: ours compared with a compiled torch FISTA.

Ours restarts its momentum and removes converged samples; torch's does neither. Each uses the
loosest stopping rule (a tolerance for ours, a number of steps for torch) for which the mean over
samples of E(z) / E(z*) - 1, in float64, is at most 1e-3.
"""

import numpy as np

from benchmarks import _common

CASES = ((256, 0.05), (256, 0.15), (1024, 0.05))
GOAL = 1e-3


def main():
    options = _common.options(__doc__)
    report = _common.Report("fista", "FISTA to relative suboptimality 1e-3, float32")
    X = _common.natural_patches(2_000 if options.quick else 20_000, seed=options.seed + 7)
    for n_components, density in CASES:
        seconds = 4 if options.quick else 25
        dictionary = _common.learned_dictionary(n_components, seconds=seconds, seed=options.seed)
        alpha = _common.alpha_for_density(X[:1000], dictionary, density)
        name = f"{n_components} atoms, {density:.0%}"
        compare(report, name, X.astype("f4"), dictionary.astype("f4"), alpha, options)
    report.note(f"{len(X)} samples; best of interleaved rounds; tolerances chosen beforehand")
    report.save(options.results)


def compare(report, name, X, dictionary, alpha, options):
    from benchmarks.speed.torch_fista import TorchFista

    optimum = _common.optimal_energy(X, dictionary, alpha)

    def excess(code):
        return np.mean(_common.energy(X, code, dictionary, alpha) / optimum - 1)

    def ours(tol):
        return _common.encode(X, dictionary, alpha, solver="fista", tol=tol, max_iter=5000)

    torch_fista = TorchFista(X, dictionary, alpha)
    tol = loosest_tolerance(lambda tol: excess(ours(tol)))
    steps = fewest_steps(lambda steps: excess(torch_fista(steps).numpy()))
    timings = _common.interleave(
        {"ours": lambda: ours(tol), "torch": lambda: torch_fista(steps).numpy()},
        rounds=2 if options.quick else 7,
    )
    for who, stop in (("ours", f"tol {tol:.1e}"), ("torch", f"{steps} steps")):
        reached = excess(timings[who].result)
        report.add(name, f"{who}, {stop}, suboptimality {reached:.1e}", timings[who].best, "s")
    report.add(name, "torch / ours", timings["torch"].best / timings["ours"].best, "x", at_least=3)
    report.note(f"{name}: torch {torch_fista.how}")


def loosest_tolerance(excess, *, n_steps=7):
    """Return the largest tolerance that meets GOAL, by bisection of its logarithm."""
    low, high = 1e-5, 1e-1
    for _ in range(n_steps):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if excess(middle) <= GOAL else (low, middle)
    return low


def fewest_steps(excess):
    """Return the smallest number of steps that meets GOAL, by doubling and bisection."""
    high = 8
    while excess(high) > GOAL:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if excess(middle) <= GOAL else (middle, high)
    return high


if __name__ == "__main__":
    main()
