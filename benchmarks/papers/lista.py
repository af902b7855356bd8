"""Gregor & LeCun (2010): errors of LISTA and LCoD compared with the solvers that they unroll.

Natural patches of 10 x 10, with the mean removed, divided by the standard deviation, without flat
ones; alpha 0.5. Dictionaries of 100 and 400 atoms are learned on the training patches. The error is
the mean of ||z - z*||^2 over held-out patches, with exact z*. T is the number of products with S of
solvers and networks: T = 0 is one step of ISTA from zero, or the shrinkage encoder. Two figures
show the error over T, and over the share of S that is kept, before and after retraining.
"""

import time
import warnings

import numpy as np

from benchmarks import _common

ALPHA = 0.5
SIZES = (100, 400)
STEPS = (0, 1, 3, 7)
GREEDY_STEPS = (1, 5, 10, 20, 40)
LONGEST = {"ISTA": 300, "FISTA": 300, "greedy CD": 1000}
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
PAPER = {100: 18, 400: 35}  # FISTA iterations equivalent to one step of LISTA, as commonly cited
PASSES = {100: 40, 400: 25}
SHALLOW = 2  # factor of the passes for T = 1, whose limit is measured
FEWER_STEPS = 5  # ratio of the steps of greedy coordinate descent


def main():
    options = _common.options(__doc__)
    report = _common.Report("lista", "Learned inference: error by steps, and by the share of S")
    train, held_out = patches(options)
    warnings.simplefilter("ignore")  # the number of passes is the intended stop
    lines, shares = {}, {}
    for n_components in SIZES:
        problem = Problem(n_components, train, held_out, options)
        curves = solver_curves(problem, options)
        networks = trained_networks(report, problem, options)
        report_errors(report, problem, curves, networks)
        report_greedy(report, problem, curves["greedy CD"], networks["LCoD"])
        lines[n_components] = {**curves, **{name: each.line() for name, each in networks.items()}}
        shares[n_components] = sparse_lateral(report, problem, networks["LISTA"], options)
    draw_steps(lines, options.results / "lista_steps.png")
    draw_shares(shares, options.results / "lista_shares.png")
    report.note(f"{len(train)} patches, {len(held_out)} others for the errors; paper: {PAPER}")
    report.save(options.results)


def patches(options):
    """Return training and held-out patches, from different positions of the same photographs."""
    n_train, n_held_out = (4_000, 1_000) if options.quick else (200_000, 10_000)
    settings = {"size": 10, "dtype": np.float32}
    train = _common.natural_patches(n_train, seed=options.seed + 1, **settings)
    return train, _common.natural_patches(n_held_out, seed=options.seed + 99, **settings)


class Problem:
    """A number of atoms, and the exact codes of the held-out patches."""

    def __init__(self, n_components, train, held_out, options):
        from sklearn_ebm import SparseCoder

        self.n_components, self.train, self.held_out = n_components, train, held_out
        self.passes = 3 if options.quick else PASSES[n_components]
        self.seed = options.seed
        coder = SparseCoder(n_components, alpha=ALPHA, max_iter=3, tol=0, random_state=options.seed)
        self.dictionary = coder.fit(train[: 2_000 if options.quick else 50_000]).components_
        self.double = self.dictionary.astype(np.float64)
        self.X = held_out.astype(np.float64)
        self.optimum = _common.encode(self.X, self.double, ALPHA, tol=1e-9)

    def error(self, code):
        """Return the mean of ||z - z*||^2 over the held-out patches."""
        return float(np.mean(np.sum((code - self.optimum) ** 2, axis=1)))


# ---------------------------------------------------------------------------------------- solvers
def solver_curves(problem, options):
    """Return name -> (T, errors) of ISTA, FISTA and greedy coordinate descent, in float64."""
    longest = dict.fromkeys(LONGEST, 100) if options.quick else LONGEST
    return {
        "ISTA": proximal_curve(problem, longest["ISTA"], accelerated=False),
        "FISTA": proximal_curve(problem, longest["FISTA"], accelerated=True),
        "greedy CD": greedy_curve(problem, longest["greedy CD"]),
    }


def soft_threshold(value, threshold):
    return value - np.clip(value, -threshold, threshold)


def proximal_curve(problem, n_steps, accelerated):
    """Return the curve of Beck & Teboulle (2009), without restart; T = 0 is the first step."""
    gram = problem.double @ problem.double.T
    lipschitz, correlation = np.linalg.eigvalsh(gram)[-1], problem.X @ problem.double.T
    code = ahead = np.zeros_like(correlation)
    momentum, errors = 1.0, []
    for _ in range(n_steps + 1):
        moved = soft_threshold(ahead - (ahead @ gram - correlation) / lipschitz, ALPHA / lipschitz)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        weight = (momentum - 1) / following if accelerated else 0.0
        ahead, code, momentum = moved + weight * (moved - code), moved, following
        errors.append(problem.error(code))
    return np.arange(n_steps + 1), np.array(errors)


def greedy_curve(problem, n_steps):
    """Return the curve of Li & Osher (2009): T greedy steps, then sh, as the untrained LCoD."""
    gram, state = problem.double @ problem.double.T, problem.X @ problem.double.T
    np.fill_diagonal(gram, 0)  # the change of z_k has no effect on b_k: atoms have norm one
    code, rows, errors = np.zeros_like(state), np.arange(len(state)), []
    for _ in range(n_steps + 1):
        wished = soft_threshold(state, ALPHA)
        errors.append(problem.error(wished))
        atom = np.argmax(np.abs(wished - code), axis=1)
        change = wished[rows, atom] - code[rows, atom]
        code[rows, atom] = wished[rows, atom]
        state -= change[:, None] * gram[atom]
    return np.arange(n_steps + 1), np.array(errors)


def steps_to(curve, error):
    """Return the T at which a solver reaches an error, by linear interpolation."""
    steps, errors = curve
    below = np.argmax(errors <= error)
    if errors[below] > error:
        return float("inf")
    if below == 0:
        return 0.0
    share = (errors[below - 1] - error) / (errors[below - 1] - errors[below])
    return float(steps[below - 1] + share)


# --------------------------------------------------------------------------------------- networks
class Family:
    """Trained networks of one kind, by the number of steps."""

    def __init__(self):
        self.encoders, self.errors = {}, {}

    def line(self):
        """Return (T, errors) for a figure."""
        return np.array(sorted(self.errors)), np.array(
            [self.errors[T] for T in sorted(self.errors)]
        )


def trained_networks(report, problem, options):
    """Return name -> Family for LISTA with tied and untied weights, FISTA unrolled, and LCoD."""
    kinds = {
        "LISTA": (STEPS, {}),
        "LISTA, untied": (STEPS[1:], {"tied": False}),
        "FISTA unrolled": ((3,), {"encoder": "lfista"}),
        "LCoD": (GREEDY_STEPS[:3] if options.quick else GREEDY_STEPS, {"encoder": "lcod"}),
    }
    families = {}
    for name, (steps, settings) in kinds.items():
        families[name] = Family()
        for n_steps in steps:
            train(report, problem, families[name], name, n_steps, settings)
    return families


def train(report, problem, family, name, n_steps, settings):
    from sklearn_ebm import LISTAEncoder

    passes = problem.passes * (SHALLOW if n_steps == 1 else 1)
    encoder = LISTAEncoder(
        dictionary=problem.dictionary, alpha=ALPHA, n_steps=n_steps, max_iter=passes, tol=0,
        random_state=problem.seed, **settings,
    )  # fmt: skip
    began = time.perf_counter()
    encoder.fit(problem.train)
    seconds = time.perf_counter() - began
    code = encoder.transform(problem.held_out)
    family.encoders[n_steps], family.errors[n_steps] = encoder, problem.error(code)
    curve = encoder.validation_curve_
    report.add(
        f"m = {problem.n_components}, {name}, T = {n_steps}",
        f"squared error ({np.mean(code != 0):.0%} on; learned in {seconds:.0f} s, loss "
        f"{curve[0]:.3g}, {curve[len(curve) // 2]:.3g} after half, {curve[-1]:.3g}; training "
        f"{encoder.objective_curve_[-1]:.3g})",
        family.errors[n_steps],
    )


def report_errors(report, problem, curves, networks):
    """Report the solvers' errors at the same T, and the T at which they reach a network's error."""
    case = f"m = {problem.n_components}"
    for name in ("ISTA", "FISTA"):
        for n_steps in STEPS:
            report.add(f"{case}, {name}, T = {n_steps}", "squared error", curves[name][1][n_steps])
    for name in ("LISTA", "LISTA, untied", "FISTA unrolled"):
        for n_steps, error in sorted(networks[name].errors.items()):
            worth = steps_to(curves["FISTA"], error)
            goal = {"at_least": PAPER[problem.n_components]} if n_steps == 1 else {}
            report.add(f"{case}, {name}, T = {n_steps}", "FISTA's T at its error", worth, **goal)


def report_greedy(report, problem, curve, family):
    for n_steps, error in sorted(family.errors.items()):
        case = f"m = {problem.n_components}, LCoD, T = {n_steps}"
        worth = steps_to(curve, error)
        report.add(case, "greedy CD, error at the same T", curve[1][n_steps])
        goal = {"at_least": FEWER_STEPS} if n_steps >= 5 else {}
        report.add(case, "greedy CD's T at its error / T", worth / n_steps, "x", **goal)


def sparse_lateral(report, problem, family, options):
    """Return name -> (share of S, errors) for T = 1 and T = 3, before and after retraining."""
    lines = {}
    for n_steps in (1, 3):
        encoder = family.encoders[n_steps]
        encoder.set_params(max_iter=max(1, problem.passes // 6))
        pruned, retrained = [], []
        for share in SHARES:
            sparse = encoder.to_sparse_lateral(share)
            pruned.append(problem.error(sparse.transform(problem.held_out)))
            if share < 1:
                sparse = encoder.to_sparse_lateral(share, problem.train)
            retrained.append(problem.error(sparse.transform(problem.held_out)))
            case = f"m = {problem.n_components}, LISTA, T = {n_steps}, {share:.0%} of S"
            report.add(case, "squared error, pruned", pruned[-1])
            report.add(case, "squared error, retrained", retrained[-1])
        lines[f"T = {n_steps}, pruned"] = np.array(SHARES), np.array(pruned)
        lines[f"T = {n_steps}, retrained"] = np.array(SHARES), np.array(retrained)
    return lines


# ---------------------------------------------------------------------------------------- figures
def two_axes():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")


def draw_steps(lines, path):
    from sklearn_ebm.inspection import CodeErrorDisplay

    figure, axes = two_axes()
    for ax, (n_components, named) in zip(axes, lines.items(), strict=True):
        CodeErrorDisplay(named).plot(ax=ax)
        ax.set(xscale="symlog", title=f"{n_components} atoms, 10 x 10 patches, alpha {ALPHA}")
        ax.set(xlim=(-0.2, None), ylim=(1e-2, None))
    figure.savefig(path, dpi=110)


def draw_shares(shares, path):
    figure, axes = two_axes()
    for ax, (n_components, named) in zip(axes, shares.items(), strict=True):
        for name, (share, errors) in named.items():
            ax.plot(100 * share, errors, "o-" if "retrained" in name else "o--", ms=4, label=name)
        ax.set(xscale="log", yscale="log", xlabel="Share of S kept, %", ylabel="||z - z*||²")
        ax.set_title(f"{n_components} atoms")
        ax.invert_xaxis()
        ax.grid(alpha=0.3)
        ax.legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
