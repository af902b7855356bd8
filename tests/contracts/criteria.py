"""A small trainer and batch for each criterion."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_ebm.backends import new_matrix, numpy
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.factors import (
    CONVOLUTIONAL_ENCODERS,
    ENCODERS,
    FLIP_LOSSES,
    LOCAL_ENCODERS,
    LOSSES,
    MODEL_ENERGIES,
    OUTPUTS,
    UNITS,
    BilinearEnergy,
    ExpertEnergy,
    LinearDecoder,
    LinearHead,
    MapPenalty,
    ReconstructionEnergy,
    RecurrentCoder,
    SparseEnergy,
)
from sklearn_ebm.factors.encoders import LogisticEncoder, TanhEncoder
from sklearn_ebm.factors.penalties import L1
from sklearn_ebm.factors.regularizers import Contraction, Sparsity
from sklearn_ebm.learning._ksvd import KSVD
from sklearn_ebm.learning._network import Network
from sklearn_ebm.learning._online_dictionary import PATIENCE, OnlineDictionary
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning._rates import LinearDecay
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.learning._tasks import TASKS
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.contrasts import (
    BinaryNoise,
    Chains,
    DenoisingScoreMatching,
    GaussianNoise,
    Likelihood,
    Neighbours,
    NoiseContrastive,
    ScoreMatching,
)
from sklearn_ebm.learning.criteria import (
    Ascending,
    Contrastive,
    ConvolutionalDictionary,
    Dictionary,
    Discriminative,
    Flipping,
    Imitation,
    Labels,
    LocalDictionary,
    Noise,
    Reconstruction,
    Shaping,
    Sum,
)
from sklearn_ebm.solvers import FlipSampler, HamiltonianSampler

ALPHA, BETA, N_SAMPLES, N_FEATURES, N_COMPONENTS = 0.3, 0.5, 24, 6, 5
EXACT = {"solver": "fista", "tol": 1e-13, "max_iter": 5000}  # codes do not depend on pieces
MAPS = {"solver": "fista", "tol": 1e-7, "max_iter": 20_000}


@dataclass
class Case:
    """A trainer and a batch.

    Attributes
    ----------
    trainer : Trainer
        Its criterion has parameters for training.
    batch : Batch
        Samples with weights.
    follow : callable
        Sets the parameters of a criterion for training after it was unpickled.
    loss : callable or None
        Maps a report to the mean loss whose gradients the criterion returns; None if it has none.
    rtol : float
        Tolerance for sums of pieces, relative to their largest entry.
    """

    trainer: Any
    batch: Any
    follow: Any
    loss: Any = None
    rtol: float = 1e-9


def mean_loss(report):
    """Return the weighted mean loss."""
    return report["loss"] / report["weight"]


def some_data(seed=0):
    """Return samples and weights."""
    random = np.random.default_rng(seed)
    return random.laplace(size=(N_SAMPLES, N_FEATURES)), random.uniform(0.5, 2, N_SAMPLES)


def some_atoms(seed=1):
    """Return atoms of unit norm."""
    atoms = np.random.default_rng(seed).standard_normal((N_COMPONENTS, N_FEATURES))
    return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)


def some_encoder(atoms):
    """Return an encoder that is differentiable at the data."""
    return ENCODERS["tanh"].from_dictionary(atoms, LinearDecoder(atoms).lipschitz, ALPHA)


def dictionary(new_online=OnlineDictionary, idle=0):
    """A dictionary without an encoder, whose atoms have been unused for some batches."""
    X, weight = some_data()
    online = new_online(some_atoms())
    if idle:
        online.idle[:] = idle

    def follow(criterion):
        return criterion.follow(L1(ALPHA), EXACT, "numpy")

    criterion = follow(Dictionary(online.dictionary, online=online))
    return Case(Trainer(criterion), Batch(X, weight=weight), follow)


def dictionary_with_encoder():
    """The gradient of F(x) is beta times that of 1/2 ||f(x) - z||^2 (envelope theorem)."""
    X, weight = some_data()

    def follow(criterion):
        return criterion.follow(L1(ALPHA), EXACT, "numpy", BETA, LinearDecay(1e-2))

    criterion = follow(Dictionary(some_atoms(), encoder=some_encoder(some_atoms())))
    case = Case(Trainer(criterion), Batch(X, weight=weight), follow)
    case.loss = lambda report: mean_loss(report) / BETA
    return case


def convolutional_dictionary():
    """Filters of the dictionary and of the encoder, from crops."""
    random = np.random.default_rng(0)
    kernels = random.standard_normal((3, 2, 2, 1))
    kernels /= np.sqrt(np.sum(kernels**2, axis=(1, 2, 3), keepdims=True))
    encoder = CONVOLUTIONAL_ENCODERS["tanh"].from_dictionary(
        kernels, 4.0, ALPHA, image_shape=(5, 4), border="full"
    )

    def follow(criterion):
        return criterion.follow(L1(ALPHA), MAPS, "numpy", BETA, LinearDecay(1e-2))

    criterion = follow(ConvolutionalDictionary(kernels, "full", encoder=encoder))
    batch = Batch(random.laplace(size=(6, 5, 4, 1)), weight=random.uniform(0.5, 2, 6))
    return Case(Trainer(criterion), batch, follow, rtol=1e-5)  # tolerance of codes


def local_dictionary():
    """Filters of the units of a tile and of their encoders, from crops."""
    random = np.random.default_rng(0)
    filters = random.standard_normal((4, 2, 2, 1))
    filters /= np.sqrt(np.sum(filters**2, axis=(1, 2, 3), keepdims=True))
    encoder = LOCAL_ENCODERS["tanh"].from_dictionary(
        filters, 4.0, ALPHA, image_shape=(5, 4), tile_shape=(2, 2)
    )

    def follow(criterion):
        penalty = MapPenalty(1.0).resolve(None, ALPHA)
        return criterion.follow(penalty, MAPS, "numpy", BETA, LinearDecay(1e-2))

    criterion = follow(LocalDictionary(filters, encoder, (2, 2), 1, repeats=True))
    batch = Batch(random.laplace(size=(6, 5, 4, 1)), weight=random.uniform(0.5, 2, 6))
    return Case(Trainer(criterion), batch, follow, rtol=1e-5)  # tolerance of codes


def imitation(loss="codes", seed=0):
    """An encoder trained on given codes."""
    (X, weight), atoms = some_data(seed), some_atoms()
    energy = SparseEnergy(LinearDecoder(atoms), L1(ALPHA))

    def follow(criterion):
        return criterion.follow(LOSSES[loss](energy), LinearDecay(1e-2), "numpy")

    criterion = follow(Imitation(atoms, some_encoder(atoms)))
    target = np.random.default_rng(2).laplace(size=(N_SAMPLES, N_COMPONENTS))
    return Case(Trainer(criterion), Batch(X, target, weight=weight), follow, mean_loss)


def matrix_of(array):
    """Return a copy in the layout that kernels are compiled for."""
    matrix = new_matrix(array.shape, array)
    matrix[...] = array
    return matrix


def contrastive(kind="bernoulli", n_chains=None, fast=False, weighted=False, flip_loss=None):
    """A restricted Boltzmann machine; `n_chains=None` starts chains at the data.

    With a `flip_loss`, there are no chains.
    """
    random = np.random.default_rng(0)
    X = (random.random((N_SAMPLES, N_FEATURES)) < 0.4).astype(float)
    units = UNITS[kind].from_moments(np.full(N_FEATURES, 0.4), np.ones(N_FEATURES))
    weights = matrix_of(random.standard_normal((N_FEATURES, N_COMPONENTS)))
    energy = BilinearEnergy(units, weights, np.zeros(N_COMPONENTS))

    def follow(criterion):
        how = Ascending(2, momentum=0.5, decay=0.1, fast_rate=0.05)
        return criterion.follow(how, LinearDecay(0.1), "numpy")

    activity, center = np.full(N_COMPONENTS, 0.3), np.full(N_FEATURES, 0.4)
    if flip_loss is None:
        criterion = follow(Contrastive(energy, activity, center, fast))
    else:
        criterion = follow(Flipping(energy, activity, center, flip_loss))
    particles = None
    if n_chains is not None:
        particles = matrix_of((random.random((n_chains, N_COMPONENTS)) < 0.4).astype(float))
    trainer = Trainer(criterion, Stream(np.random.RandomState(0)), particles)
    weight = np.random.default_rng(3).uniform(0.1, 2, N_SAMPLES) if weighted else None
    return Case(trainer, Batch(X, weight=weight), follow)


def labels(kind="multiclass"):
    """A linear classifier or regressor, whose mean is over samples, whatever their weights are."""
    (X, weight), random = some_data(), np.random.default_rng(2)
    head = LinearHead(random.standard_normal((N_FEATURES, 3)), random.standard_normal(3))
    network = Network({("head", 0): head}, TASKS[kind].loss, numpy)

    def follow(criterion):
        return criterion.follow(LinearDecay(0.1), "numpy")

    criterion = follow(Labels(network, Adam(network.parameters), TASKS[kind].score))
    target = {
        "multiclass": np.eye(3)[random.integers(3, size=N_SAMPLES)],
        "multilabel": random.integers(2, size=(N_SAMPLES, 3)).astype(float),
        "continuous": random.standard_normal((N_SAMPLES, 3)),
    }[kind]
    batch = Batch(X, target, weight=weight)
    case = Case(Trainer(criterion), batch, follow)
    case.loss = lambda report: report["loss"] / report["n_samples"]
    return case


def reconstruction(loss="cross_entropy", noise="masking", is_tied=True, regularizer=None):
    """An auto-encoder of samples between 0 and 1."""
    random = np.random.default_rng(0)
    X, weight = random.random((N_SAMPLES, N_FEATURES)), random.uniform(0.5, 2, N_SAMPLES)
    values = {
        "weights": random.standard_normal((N_FEATURES, N_COMPONENTS)),
        "bias": random.standard_normal(N_COMPONENTS),
    }
    dictionary = None if is_tied else random.standard_normal((N_COMPONENTS, N_FEATURES))
    kind = LogisticEncoder if is_tied else TanhEncoder
    if not is_tied:
        values["gain"] = random.uniform(0.5, 2, N_COMPONENTS)
    output = OUTPUTS[loss](random.standard_normal(N_FEATURES))

    def follow(criterion):
        corruption = Noise(noise, 0.3) if regularizer is None else None
        rate = LinearDecay(1e-2)
        return criterion.follow(rate, "numpy", corruption, regularizer=regularizer)

    criterion = follow(Reconstruction(ReconstructionEnergy(kind(values), output, dictionary)))
    trainer = Trainer(criterion, Stream(np.random.RandomState(0)))
    return Case(trainer, Batch(X, weight=weight), follow, mean_loss)


def discriminative(optimizer="sgd"):
    """A recurrent coder with labels, away from its start, whose step is that of ten samples."""
    random = np.random.default_rng(0)
    coder = RecurrentCoder.first(some_atoms(), 3, n_steps=3)
    for value in coder.parameters.values():
        value += 0.1 * random.uniform(size=value.shape)

    def follow(criterion):
        return criterion.follow(ALPHA / 10, 0.5, LinearDecay(1e-2), "numpy", optimizer)

    (X, weight), target = some_data(), np.eye(3)[random.integers(3, size=N_SAMPLES)]
    case = Case(Trainer(follow(Discriminative(coder))), Batch(X, target, weight=weight), follow)
    case.loss = lambda report: 10 * report["loss"] / report["n_samples"]
    return case


def sum_of_two():
    """The distance from given codes and the energy, for one encoder."""
    first, second = imitation("codes"), imitation("energy")
    one, other = (case.trainer.criterion for case in (first, second))
    other.replace_encoder(one.encoder)

    def follow(criterion):
        return criterion.follow(LinearDecay(1e-2))

    criterion = follow(Sum([one, other], [0.7, 0.2], Adam))
    return Case(Trainer(criterion), first.batch, follow, mean_loss)


def shaping(new_contrast, energy, n_components=N_COMPONENTS):
    """An energy of x alone, away from its symmetric start."""
    random = np.random.default_rng(0)
    X, weight = some_data()
    energy = energy(N_FEATURES, n_components, np.full(N_FEATURES, 0.5), np.random.RandomState(0))
    for value in energy.parameters.values():
        value += 0.1 * random.standard_normal(value.shape)
    energy.project()
    if energy.is_binary:
        X = (X > 0).astype(float)

    def follow(criterion):
        contrast = criterion.contrast or new_contrast(X)
        return criterion.follow(contrast, LinearDecay(1e-2), "numpy")

    trainer = Trainer(follow(Shaping(energy)), Stream(np.random.RandomState(0)))
    if trainer.criterion.contrast.has_chains:
        sampler, n_chains = trainer.criterion.contrast.sampler, 7
        trainer.shard = sampler.start(X[:n_chains].copy(), 1.0)
        return Case(trainer, Batch(X, weight=weight), follow)
    return Case(trainer, Batch(X, weight=weight), follow, mean_loss)


def score_matching(X):
    return ScoreMatching(np.cov(X.T), 30.0)


def noise_contrastive(noise):
    def contrast(X):
        own = noise.of(X.mean(axis=0), np.cov(X.T)).like(X)
        return NoiseContrastive(own, 2, np.array([0.3]))

    return contrast


POOLED = ExpertEnergy("student_t", groups=2, precision=0.5, bias=True)
SHAPED = {
    "score_matching": (score_matching, MODEL_ENERGIES["softplus"]),
    "score_matching, pooled": (score_matching, POOLED.first),
    "denoising_score_matching": (lambda X: DenoisingScoreMatching(0.3), POOLED.first),
    "maximum_likelihood": (lambda X: Likelihood(), MODEL_ENERGIES["gaussian"]),
    "noise_contrastive": (noise_contrastive(GaussianNoise), MODEL_ENERGIES["student_t"]),
    "noise_contrastive, bits": (noise_contrastive(BinaryNoise), MODEL_ENERGIES["ising"]),
    "pseudo_likelihood": (lambda X: Neighbours("pseudo_likelihood"), MODEL_ENERGIES["ising"]),
    "minimum_probability_flow": (
        lambda X: Neighbours("minimum_probability_flow"),
        MODEL_ENERGIES["rbm"],
    ),
    "cd": (lambda X: Chains(HamiltonianSampler(3), 2, False), MODEL_ENERGIES["softplus"]),
    "pcd": (lambda X: Chains(HamiltonianSampler(3), 2, True), MODEL_ENERGIES["softplus"]),
    "pcd, bits": (lambda X: Chains(FlipSampler(), 2, True), MODEL_ENERGIES["ising"]),
}

CASES = {
    "dictionary": dictionary,
    "dictionary, unused atoms": lambda: dictionary(idle=PATIENCE),
    "dictionary, k-svd": lambda: dictionary(KSVD),
    "dictionary with an encoder": dictionary_with_encoder,
    "convolutional_dictionary": convolutional_dictionary,
    "local_dictionary": local_dictionary,
    "imitation of codes": imitation,
    "imitation by energy": lambda: imitation("energy"),
    "contrastive": contrastive,
    "contrastive, real units": lambda: contrastive("gaussian"),
    "contrastive, categories": lambda: contrastive("categorical"),
    "contrastive, weighted": lambda: contrastive(weighted=True),
    "contrastive, kept chains": lambda: contrastive(n_chains=7),
    "contrastive, fast weights": lambda: contrastive(n_chains=7, fast=True),
    **{
        name: functools.partial(contrastive, weighted=name == "pseudo_likelihood", flip_loss=name)
        for name in FLIP_LOSSES
    },
    **{f"labels, {kind}": functools.partial(labels, kind) for kind in TASKS},
    "reconstruction": reconstruction,
    "reconstruction, normal noise": lambda: reconstruction("squared_error", "gaussian"),
    "reconstruction, untied": lambda: reconstruction("squared_error", "salt_and_pepper", False),
    "reconstruction, contractive": lambda: reconstruction(regularizer=Contraction(0.1)),
    "reconstruction, sparse": lambda: reconstruction(
        "squared_error", regularizer=Sparsity(L1(0.1).smoothed(1e-2))
    ),
    **{
        f"shaping, {name}": functools.partial(shaping, *arguments)
        for name, arguments in SHAPED.items()
    },
    "discriminative": discriminative,
    "discriminative, adam": lambda: discriminative("adam"),
    "sum": sum_of_two,
}
