"""Is a code that was trained to be predictable predicted better? Held-out natural patches.

Joint: PSD, whose codes are drawn to the prediction while dictionary and encoder learn. Afterwards:
a SparseCoder's dictionary, finished, and the same encoder fitted to its optimal codes by the same
optimiser (a PSD with that dictionary given, and a weight of the prediction that moves no code).
Both encoders make the same number of passes over the same patches. What counts is
E(x, f(x)) / min_z E(x, z), ratio of means, with E the energy of sparse coding for the dictionary at
hand, without the prediction term, and min_z E by exact codes in float64.
"""

import warnings

import numpy as np

from benchmarks import _common

N_COMPONENTS = 256
NO_PULL = 1e-6  # a weight of the prediction at which codes are those of sparse coding
ENCODERS = ("shrinkage", "tanh", "smooth_shrinkage", "lista", "lcod")


def main():
    options = _common.options(__doc__)
    report = _common.Report("joint_training", "Encoder: trained jointly, or fitted afterwards")
    n_samples, passes = (5_000, 3) if options.quick else (30_000, 12)
    X = _common.natural_patches(n_samples, seed=options.seed + 1, dtype=np.float32)
    held_out = _common.natural_patches(5_000, seed=options.seed + 99, dtype=np.float32)
    warnings.simplefilter("ignore")  # the number of passes is the stop that is wanted
    settings = {"max_iter": passes, "tol": 0, "random_state": options.seed}
    for alpha in (1.0,) if options.quick else (0.5, 1.0, 2.0):
        coder = learner("SparseCoder", alpha, **settings).fit(X)
        for encoder in ENCODERS if alpha == 1 else ENCODERS[:1]:
            compare(report, X, held_out, coder, encoder, settings)
    report.note(f"{n_samples} patches of unit variance, {passes} passes; beta 1 in joint training")
    report.save(options.results)


def learner(name, alpha, **how):
    import sklearn_ebm

    return getattr(sklearn_ebm, name)(N_COMPONENTS, alpha=alpha, **how)


def compare(report, X, held_out, coder, encoder, settings):
    joint = learner("PSD", coder.alpha, encoder=encoder, **settings).fit(X)
    after = learner(
        "PSD",
        coder.alpha,
        encoder=encoder,
        beta=NO_PULL,
        dictionary=coder.components_,
        **settings,
    ).fit(X)
    case = f"{encoder}, alpha {coder.alpha:g}"
    ratios = {}
    for name, model in (("joint", joint), ("afterwards", after)):
        dictionary = model.components_.astype(np.float64)
        optimum = _common.optimal_energy(held_out, dictionary, model.alpha).mean()
        code = model.transform(held_out)
        reached = _common.energy(held_out, code, dictionary, model.alpha).mean()
        ratios[name] = reached / optimum
        sparsity = f"{np.mean(code != 0):.0%} non-zero"
        report.add(case, f"{name}, optimum {optimum:.4g}, {sparsity}", ratios[name], "x optimum")
    excess = (ratios["joint"] - 1) / (ratios["afterwards"] - 1)
    report.add(case, "excess, joint / afterwards", excess, "x", at_most=1.0)


if __name__ == "__main__":
    main()
