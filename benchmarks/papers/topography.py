"""Topographic maps, and invariance of features to shifts and rotations of patches.

GroupSparsePSD with 6 x 6 pools on a 16 x 16 torus and PSD of the same size are trained on the same
12 x 12 natural patches of unit variance, with three seeds. Gabor functions fitted to the atoms (if
R^2 is above 0.8) provide orientation, frequency and position, which are compared between neighbours
on the map and between all pairs. PSD's atoms, in their order, are the control. Then patches are
drawn from photographs together with shifted and rotated copies. The distance between their
features, relative to the distance for unrelated patches, is compared for pooled features, |z| of
PSD, and |z| of PSD pooled over random groups with the same weights. Filters of GroupSparsePSD are
broader than those of PSD, which already increases the invariance. The effect of the pools is
therefore measured by the model's own |z|, single and pooled over the same random groups.
"""

import copy
import os
import warnings

import numpy as np

from benchmarks import _common

MAP = {"map_shape": (16, 16), "pool_shape": (6, 6)}
SIZE = 12
SEEDS = 3
SHIFTS = (0, 1, 2, 3, 4, 6, 8, 12)
ROTATIONS = (0, 5, 10, 15, 20, 30, 45)
SCALES = (1.0, 1.05, 1.1, 1.2, 1.3, 1.5)
HALF = 0.5  # of the difference between random pairs


def main():
    options = _common.options(__doc__)
    report = _common.Report("topography", "Topographic maps and invariant features")
    warnings.simplefilter("ignore")  # the number of passes is the intended stop
    changes = changed_patches(options)
    for seed in range(1 if options.quick else SEEDS):
        models = fitted(options, options.seed + seed)
        for name, model in models.items():
            order(report, name, model, seed)
        curves = invariance(models, changes, options.seed + seed)
        judge(report, curves, seed)
        if seed == 0:
            draw_map(models["GroupSparsePSD"], options.results / "topography.png")
            draw_curves(curves, options.results / "invariance.png")
    report.note(
        "features by the encoder; curves of seed 0 in invariance.png, its map in topography.png"
    )
    report.save(options.results)


def fitted(options, seed):
    from sklearn_ebm import PSD, GroupSparsePSD

    n_train, passes = (5_000, 2) if options.quick else (100_000, 8)
    X = _common.natural_patches(n_train, seed=seed + 1, dtype=np.float32)
    settings = {"max_iter": passes, "tol": 0, "random_state": seed}
    return {
        "GroupSparsePSD": GroupSparsePSD(**MAP, **settings).fit(X),
        "PSD": PSD(256, **settings).fit(X),
    }


# ------------------------------------------------------------------------------------------ order
def order(report, name, model, seed):
    from sklearn_ebm.inspection import fit_gabor
    from sklearn_ebm.metrics import topographic_order

    fit = fit_gabor(model.components_, (SIZE, SIZE))
    good = fit.is_good()
    case = f"{name}, seed {seed}"
    report.add(case, "atoms that a Gabor function fits", 100 * good.mean(), "%")
    properties = {
        "orientation": (np.degrees(fit.orientation), {"period": 180}, "degrees"),
        "frequency": (fit.frequency, {}, "cycles a pixel"),
        "position": (np.stack([fit.row, fit.column], axis=1), {}, "pixels"),
    }
    for what, (values, how, unit) in properties.items():
        found = topographic_order(values, MAP["map_shape"], valid=good, **how)
        report.add(case, f"{what}, neighbours differ by", found.adjacent, unit)
        is_asked = name == "GroupSparsePSD" and what == "orientation"
        target = {"at_most": HALF} if is_asked else {}
        report.add(case, f"{what}, neighbours / all pairs", found.ratio, **target)


def draw_map(model, path):
    import matplotlib

    matplotlib.use("Agg")
    from sklearn_ebm.inspection import TopographicMapDisplay

    display = TopographicMapDisplay.from_estimator(model)
    display.figure_.savefig(path, dpi=110)


# ------------------------------------------------------------------------------------- invariance
def photographs():
    """Return the photographs of the data folder, or the two of scikit-learn if it is not set."""
    from benchmarks._images import campus
    from sklearn_ebm.datasets import load_natural_images

    return campus() if "SKLEARN_EBM_DATA" in os.environ else load_natural_images(dtype=float)


def changed_patches(options):
    """Return name of a change -> (amounts, patches before, patches after each amount)."""
    from sklearn_ebm.datasets import sample_transformed_patches

    n_samples = 500 if options.quick else 5_000
    draw = {"min_variance": 25.0, "random_state": options.seed + 50, "margin": 12.0}
    changes = {
        "shift": (SHIFTS, {"shift": [(0, pixels) for pixels in SHIFTS]}),
        "rotation": (ROTATIONS, {"rotation": ROTATIONS}),
        "scale": (SCALES, {"scale": SCALES}),
    }
    return {
        name: (amounts, *sample_transformed_patches(photographs(), SIZE, n_samples, **how, **draw))
        for name, (amounts, how) in changes.items()
    }


def unit_variance(patches):
    patches = patches - patches.mean(axis=1, keepdims=True)
    deviation = patches.std(axis=1, keepdims=True)
    return (patches / np.maximum(deviation, 1.0)).astype(np.float32)


def invariance(models, changes, seed):
    """Return change -> (amounts, name of the features -> distances)."""
    from sklearn_ebm.metrics import invariance_curve

    psd, pooled = models["PSD"], models["GroupSparsePSD"]
    weights = pooled.pool_weights_
    shuffled = weights[:, np.random.default_rng(seed).permutation(weights.shape[1])]
    simple = copy.copy(pooled).set_params(output="simple")
    features = {
        "pooled features": pooled.transform,
        "their own abs(z)": lambda X: np.abs(simple.transform(X)),
        "their own abs(z) over random pools": lambda X: np.sqrt(
            simple.transform(X) ** 2 @ shuffled.T
        ),
        "abs(z) of PSD": lambda X: np.abs(psd.transform(X)),
        "abs(z) of PSD over random pools": lambda X: np.sqrt(psd.transform(X) ** 2 @ shuffled.T),
        "patches": lambda X: X,
    }
    curves = {}
    for change, (amounts, before, after) in changes.items():
        found = {
            name: invariance_curve(lambda X, see=see: see(unit_variance(X)), before, after)
            for name, see in features.items()
        }
        curves[change] = amounts, found
    return curves


def judge(report, curves, seed):
    """Evaluate the ranges of the paper: shifts by 1 to 3 pixels, rotations by 5 to 20 degrees."""
    asked = {"shift": (1, 2, 3), "rotation": (5, 10, 15, 20), "scale": (1.1, 1.2, 1.3)}
    units = {"shift": "pixels", "rotation": "degrees", "scale": "times"}
    for change, (amounts, found) in curves.items():
        for amount in asked[change]:
            place = amounts.index(amount)
            case = f"seed {seed}, {change} {amount} {units[change]}"
            for name, distances in found.items():
                report.add(case, name, distances[place])
            target = {} if change == "scale" else {"at_most": 0.9}
            for other, asked_of in (("abs(z) of PSD", target), ("their own abs(z)", {})):
                name = f"{other} over random pools"
                ratio = found["pooled features"][place] / found[name][place]
                report.add(case, f"pooled features / {name}", ratio, **asked_of)


def draw_curves(curves, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    labels = {"shift": "shift (pixels)", "rotation": "rotation (degrees)", "scale": "scale"}
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", sharey=True)
    for one, (change, (amounts, found)) in zip(axes, curves.items(), strict=True):
        for name, distances in found.items():
            one.plot(amounts, distances, marker="o", ms=3, lw=1.3, label=name)
        one.set(xlabel=labels[change])
        one.grid(alpha=0.3, lw=0.4)
    axes[0].set(ylabel="distance / that of unrelated patches")
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
