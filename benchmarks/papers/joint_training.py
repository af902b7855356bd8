"""Predictability of codes with joint training, on held-out natural patches.

Joint: PSD, whose codes are attracted by the prediction while dictionary and encoder learn.
Separate: the dictionary of a SparseCoder, and the same encoder trained on its optimal codes by the
same optimizer (a PSD with a given dictionary, and a negligible weight of the prediction). Both
encoders make the same number of passes over the same patches. The measure is E(x, f(x)) / min_z
E(x, z), a ratio of means, where E is the energy of sparse coding with the respective dictionary,
without the prediction term, and min_z E is computed from exact codes in float64.
"""

import warnings

import numpy as np

from benchmarks import _common

N_COMPONENTS = 256
NO_PULL = 1e-6  # a negligible weight of the prediction: codes are those of sparse coding
ENCODERS = ("shrinkage", "tanh", "smooth_shrinkage", "lista", "lcod")


def main():
    options = _common.options(__doc__)
    report = _common.Report("joint_training", "Encoder: trained jointly, or fitted afterwards")
    n_samples, passes = (5_000, 3) if options.quick else (30_000, 12)
    X = _common.natural_patches(n_samples, seed=options.seed + 1, dtype=np.float32)
    held_out = _common.natural_patches(5_000, seed=options.seed + 99, dtype=np.float32)
    warnings.simplefilter("ignore")  # the number of passes is the intended stop
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
