"""Natural patches, and a dictionary learned from natural patches."""

from benchopt import BaseDataset

from benchmarks import _common


class Dataset(BaseDataset):
    """Contrast-normalised 12x12 patches; alpha is set by the share of non-zeros in exact codes."""

    name = "natural_patches"
    parameters = {"n_samples": [20_000], "n_components": [256], "density": [0.05]}
    test_parameters = {"n_samples": [500], "n_components": [64], "density": [0.1]}

    def get_data(self):
        X = _common.natural_patches(self.n_samples, seed=7)
        dictionary = _common.learned_dictionary(self.n_components, seconds=25)
        alpha = _common.alpha_for_density(X[:1000], dictionary, self.density)
        return {
            "X": X.astype("float32"),
            "dictionary": dictionary.astype("float32"),
            "alpha": alpha,
        }
