"""Energies without hidden variables: recovered filters and couplings, and time.

Independent components: 20 Laplacian sources, mixed at random. The square logcosh energy is trained
by maximum likelihood, beside Picard with the same objective and FastICA with the same function.
Noise-contrastive estimation: four Laplacian sources as in Gutmann & Hyvarinen 2010; the squared
error of the filters must fall as 1/n.
Inverse Ising problem: 50 spins without a field, couplings of standard deviation 3 / sqrt(50)
between zeros and ones, 10,000 samples, as in Sohl-Dickstein, Battaglino & DeWeese 2011. Natural
patches: Student-t experts on whitened patches, by score matching with and without noise; Gabor
functions are fitted to the filters, and the orientations of neighbours on a map are compared.
"""

import warnings

import numpy as np

from benchmarks import _common

N_SOURCES = 20
TOL = 1e-6  # of the gradient of Picard's objective, and of the filters of FastICA
CHANGE = 1e-8  # of the mean objective of EnergyModel, whose relative error is then about 1e-12
AMARI = 0.02  # largest accepted error of the filters
FEW_SOURCES = 4
N_SPINS = 50
COUPLING = 3.0
NOISE = 0.3  # standard deviation of the noise, in units of whitened patches
VARIANCE = 0.95  # share of the variance that whitened patches have
EDGES = 50.0  # least percentage of filters that a Gabor function fits
MOST_SECONDS = 60.0  # for 50,000 patches of 12 x 12 pixels and 144 experts


def main():
    options = _common.options(__doc__)
    report = _common.Report("energy_model", "Energies without hidden variables")
    warnings.simplefilter("ignore")  # the number of passes is the intended stop
    independent_components(report, options)
    noise_contrastive(report, options)
    inverse_ising(report, options)
    natural_patches(report, options)
    report.save(options.results)


# -------------------------------------------------------------------------- independent components
def independent_components(report, options):
    from picard import picard
    from sklearn.decomposition import PCA, FastICA

    from sklearn_ebm import EnergyModel

    n_samples = 2_000 if options.quick else 20_000
    X, mixing = mixed_sources(n_samples, N_SOURCES, options.seed)
    white = PCA(whiten=True).fit(X)
    rotated = white.transform(X)
    mixing = white.transform(mixing + white.mean_)
    square = {"energy_function": "logcosh", "loss": "maximum_likelihood"}
    contenders = {
        "EnergyModel": lambda: EnergyModel(**square, tol=CHANGE, random_state=options.seed),
        "FastICA": lambda: FastICA(whiten=False, tol=TOL, max_iter=1000, random_state=options.seed),
    }
    filters = {
        name: lambda make=make: make().fit(rotated).components_ for name, make in contenders.items()
    }
    filters["Picard"] = lambda: picard(
        rotated.T, ortho=False, whiten=False, extended=False, tol=TOL, random_state=options.seed
    )[1]
    case = f"{N_SOURCES} sources, {n_samples} samples"
    timings = _common.interleave(filters, 5)
    for name, timing in timings.items():
        target = {"at_most": AMARI} if name == "EnergyModel" else {}
        report.add(case, f"{name}, Amari error", amari_error(timing.result @ mixing.T), **target)
    seconds = {name: min(timing.later) for name, timing in timings.items()}
    report.add(case, "EnergyModel", seconds["EnergyModel"], "s")
    report.add(
        case, "Picard / EnergyModel", seconds["Picard"] / seconds["EnergyModel"], "x", at_least=1
    )
    report.add(case, "FastICA / EnergyModel", seconds["FastICA"] / seconds["EnergyModel"], "x")


def mixed_sources(n_samples, n_sources, seed):
    """Return mixtures x = s A of Laplacian sources, and the matrix A."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((n_sources, n_sources))
    return rng.laplace(size=(n_samples, n_sources)) @ mixing, mixing


def amari_error(product):
    """Return the error of a product of filters and mixing matrix: 0 for a scaled permutation."""
    size = np.abs(product)
    rows = (size / size.max(axis=1, keepdims=True)).sum(axis=1) - 1
    columns = (size / size.max(axis=0)).sum(axis=0) - 1
    return float((rows.sum() + columns.sum()) / (2 * len(size) * (len(size) - 1)))


# ------------------------------------------------------------------- noise-contrastive estimation
def noise_contrastive(report, options):
    """Compare filters with those of the sources, up to signs and order."""
    from sklearn_ebm import EnergyModel

    sizes = (1_000, 3_000) if options.quick else (1_000, 10_000, 100_000)
    n_seeds = 2 if options.quick else 3
    errors = {size: [] for size in sizes}
    for seed in range(options.seed, options.seed + n_seeds):
        for n_samples in sizes:
            X, mixing = mixed_sources(n_samples, FEW_SOURCES, seed)
            model = EnergyModel(
                energy_function="l2", loss="noise_contrastive", optimizer="lbfgs",
                max_iter=500, tol=1e-6, random_state=seed,
            ).fit(X)  # fmt: skip
            product = model.components_ @ mixing.T
            error = matched(product) - np.eye(FEW_SOURCES)
            errors[n_samples].append(np.sum(error**2))
    medians = [float(np.median(each)) for each in errors.values()]
    for n_samples, error in zip(sizes, medians, strict=True):
        report.add(
            f"noise-contrastive, {n_samples} samples", "squared error, median of seeds", error
        )
    slope = np.polyfit(np.log(sizes), np.log(medians), 1)[0]
    report.add("noise-contrastive", "exponent of the number of samples", slope, at_most=-0.8)


def matched(product):
    """Return a product of filters and mixing matrix in the order and the signs of the sources."""
    from scipy.optimize import linear_sum_assignment

    _, order = linear_sum_assignment(-np.abs(product.T))
    product = product[order]
    return product * np.sign(np.diagonal(product))[:, None]


# --------------------------------------------------------------------------- inverse Ising problem
def inverse_ising(report, options):
    from sklearn_ebm import EnergyModel

    n_samples, n_spins = (1_000, 20) if options.quick else (10_000, N_SPINS)
    X, couplings = spins(n_samples, n_spins, options)
    case = f"{n_spins} spins, {n_samples} samples"
    learned = {"random_state": options.seed, "energy_function": "ising"}
    losses = {
        "minimum_probability_flow": {"tol": 1e-6},
        "pseudo_likelihood": {"tol": 1e-6},
        "ratio_matching": {"tol": 1e-6},
        "pcd": {"max_iter": 3 if options.quick else 100, "tol": 0, "learning_rate": 2e-2},
    }
    for loss, settings in losses.items():
        model = EnergyModel(loss=loss, **settings, **learned)
        EnergyModel(loss=loss, max_iter=1, **learned).fit(X[:200])  # compiles
        seconds, _ = _common.stopwatch(lambda model=model: model.fit(X))
        found = model.energy_function_.parameters["couplings"]
        error = np.linalg.norm(found - couplings) / np.linalg.norm(couplings)
        report.add(case, f"{loss}, relative error of the couplings", error)
        report.add(case, f"{loss}, {model.n_iter_} passes", seconds, "s")


def spins(n_samples, n_spins, options):
    """Return samples of spins, as zeros and ones, and their couplings."""
    from sklearn_ebm.backends._random import Stream
    from sklearn_ebm.factors import IsingEnergy
    from sklearn_ebm.solvers import FlipSampler

    rng = np.random.default_rng(options.seed)
    drawn = np.triu(rng.standard_normal((n_spins, n_spins)), 1)
    couplings = COUPLING / n_spins**0.5 * (drawn + drawn.T)
    energy = IsingEnergy({"couplings": couplings, "bias": -couplings.sum(axis=0) / 2})
    start = (rng.random((n_samples, n_spins)) < 0.5).astype(float)
    stream = Stream(np.random.RandomState(options.seed))
    sampler = FlipSampler()
    state = sampler.move(energy, sampler.start(start), stream, 20 if options.quick else 500)
    return state.particles, couplings


# ------------------------------------------------------------------------------- natural patches
def natural_patches(report, options):
    from sklearn_ebm import EnergyModel, ExpertEnergy

    n_samples = 2_000 if options.quick else 50_000
    passes = {"max_iter": 10 if options.quick else 100, "tol": 0, "random_state": options.seed}
    noisy = {"loss": "denoising_score_matching", "noise_level": NOISE, "optimizer": "lbfgs"}
    pooled = {"energy_function": ExpertEnergy(map_shape=(12, 12))}
    for size, n_experts, name, settings in (
        (8, 64, "score matching", {}),
        (8, 64, "denoising", noisy),
        (12, 144, "score matching", {}),
        (12, 144, "denoising", noisy),
        (12, 144, "3 x 3 pools, denoising", noisy | pooled),
    ):
        X, basis = white_patches(n_samples, size, options.seed)
        model = EnergyModel(n_experts, **settings, **passes)
        model.fit(X[:200])  # compiles
        seconds, _ = _common.stopwatch(lambda model=model, X=X: model.fit(X))
        case = f"{size} x {size} patches, {n_experts} experts, {name}"
        target = {"at_most": MOST_SECONDS} if (size, settings) == (12, {}) else {}
        report.add(case, f"{n_samples} patches, {model.n_iter_} passes", seconds, "s", **target)
        describe(report, case, model.components_ @ basis, size, name, options.quick)
    report.note(
        "score matching fits responses that are exactly zero, of flat and compressed parts of the "
        "photographs; noise smooths them"
    )


def white_patches(n_samples, size, seed):
    """Return whitened patches without their mean, and the basis that maps filters to pixels."""
    from sklearn.decomposition import PCA

    patches = _common.natural_patches(n_samples, seed=seed + 1, size=size)
    pca = PCA(VARIANCE, whiten=True).fit(patches)
    return pca.transform(patches).astype(np.float32), pca.components_


def describe(report, case, filters, size, name, is_quick):
    """Report the share of Gabor functions, and the order of orientations on a map."""
    from sklearn_ebm.inspection import fit_gabor
    from sklearn_ebm.metrics import topographic_order

    fit = fit_gabor(filters, (size, size))
    good = fit.is_good()
    target = {"at_least": EDGES} if (size, name) == (8, "denoising") else {}
    report.add(case, "filters that a Gabor function fits", 100 * good.mean(), "%", **target)
    if "pools" in name and not is_quick:
        found = topographic_order(np.degrees(fit.orientation), (12, 12), valid=good, period=180)
        report.add(case, "orientation, neighbours / all pairs", found.ratio)


if __name__ == "__main__":
    main()
