"""scikit-learn's checks of estimators."""

import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVR
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import (
    PSD,
    RBM,
    AutoEncoder,
    ConvPSD,
    ConvSparseCoder,
    DrSAEClassifier,
    EnergyModel,
    FineTunedClassifier,
    FineTunedRegressor,
    GroupSparsePSD,
    LocalPSD,
)
from sklearn_ebm.estimators._contrastive_learning import LOSSES
from sklearn_ebm.factors import UNITS
from tests.registries.row_models import MODELS

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")
ONE_COMPONENT = [  # checks that set n_components=1
    "check_dont_overwrite_parameters",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
]


def other_than_the_map(estimator):
    """Return checks that require another number of components than the map has."""
    if getattr(estimator, "map_shape", None) is None:
        return {}
    return dict.fromkeys(ONE_COMPONENT, "n_components=1, and the map has 5 places")


# The shrinkage encoder with one unit starts at the optimal codes, and learns only from rounding.
ONE_PLACE = GroupSparsePSD(1, map_shape=(1, 1), pool_shape=(1, 1), encoder="tanh", max_iter=2)


@parametrize_with_checks([ONE_PLACE])
def test_a_map_of_one_place_is_a_transformer_of_scikit_learn(estimator, check):
    """All checks, including those with one component."""
    check(estimator)


TYPICAL = [  # each class, penalty, output and kind of inference
    "SparseCoder",
    "SparseCoder-groups",
    "PSD-shrinkage-encoder",
    "PSD-tanh-optimal",
    "GroupSparsePSD-groups",
    "GroupSparsePSD-map-both-optimal",
    "LISTAEncoder-lista",
    "LISTAEncoder-lcod-energy",
]
OTHERS = MODELS.keys() - {*TYPICAL}


def quick(name):
    """Return a model that makes two passes of one batch: the checks need no convergence."""
    return clone(MODELS[name]).set_params(max_iter=2, batch_size=100)


@parametrize_with_checks(
    [quick(name) for name in TYPICAL], expected_failed_checks=other_than_the_map
)
def test_model_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.exhaustive
@parametrize_with_checks(
    [quick(name) for name in sorted(OTHERS)], expected_failed_checks=other_than_the_map
)
def test_every_form_of_a_model_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


# The data are few and no probabilities: steps must be small, and fits warn of both.
MACHINES = {
    (loss, visible, backend): RBM(
        5, max_iter=2, n_chains=10, learning_rate=1e-3, loss=loss, visible=visible, backend=backend
    )
    for loss in LOSSES
    for visible in UNITS
    for backend in ("auto", "numpy")
}
TYPICAL_MACHINES = [  # each loss, kind of units and backend
    ("cd", "gaussian", "auto"),
    ("pcd", "bernoulli", "auto"),
    ("fpcd", "gaussian", "numpy"),
    ("pcd", "categorical", "auto"),
]
OTHER_MACHINES = [each for each in MACHINES if each not in TYPICAL_MACHINES]
machine_warnings = pytest.mark.filterwarnings(
    "ignore:X has values", "ignore:.*hidden units are dead"
)


@machine_warnings
@parametrize_with_checks([MACHINES[each] for each in TYPICAL_MACHINES])
def test_machine_is_a_transformer_of_scikit_learn(estimator, check):
    check_machine(estimator, check)


@pytest.mark.exhaustive
@machine_warnings
@parametrize_with_checks([MACHINES[each] for each in OTHER_MACHINES])
def test_every_form_of_a_machine_is_a_transformer_of_scikit_learn(estimator, check):
    check_machine(estimator, check)


def check_machine(estimator, check):
    """Weights are equivalent to repetitions only on average; see `test_rbm_weights`.

    A fit depends on batches and random draws, which depend on the number of samples.
    """
    if check.func.__name__.startswith("check_sample_weight_equivalence"):
        pytest.skip("holds in expectation: other batches and other draws")
    check(estimator)


# Rows are signals here. With whole signals in one batch, weights are equivalent to repetitions.
SIGNALS = {"kernel_size": 2, "alpha": 0.5, "max_iter": 2, "batch_size": 20}
WHOLE = {**SIGNALS, "batch_size": 100, "crop_size": None}
CONVOLUTIONS = [
    ConvSparseCoder(2, **WHOLE),
    ConvPSD(2, inference="optimal", **WHOLE),
    LocalPSD(tile_shape=1, **WHOLE),
]


@parametrize_with_checks(CONVOLUTIONS)
def test_model_of_images_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.exhaustive  # one with random crops is checked below
@parametrize_with_checks([ConvPSD(2, **WHOLE)])
def test_model_of_whole_images_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


def drawn_at_random(estimator):
    """Crops of repeated signals are drawn independently."""
    return {"check_sample_weight_equivalence_on_dense_data": "other crops, in other batches"}


@parametrize_with_checks([ConvPSD(2, **SIGNALS)], expected_failed_checks=drawn_at_random)
def test_model_of_random_crops_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


# Repetitions of a sample are corrupted independently, unlike a sample with a weight.
DENOISERS = [
    AutoEncoder(4, max_iter=2, batch_size=100, noise_level=0.0),
    AutoEncoder(
        4, max_iter=2, batch_size=100, noise_level=0.0, activation="tanh", tied_weights=False
    ),
    AutoEncoder(4, max_iter=2, batch_size=100, regularizer="contractive"),
    AutoEncoder(
        4, max_iter=2, batch_size=100, regularizer="saturating", activation="saturated_linear"
    ),
    AutoEncoder(4, max_iter=2, regularizer="sparse", activation="linear", optimizer="lbfgs"),
]


@parametrize_with_checks(DENOISERS)
def test_auto_encoder_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


def corrupted_apart(estimator):
    """Repetitions of a sample have independent noise."""
    return {"check_sample_weight_equivalence_on_dense_data": "repetitions have other noise"}


@parametrize_with_checks([AutoEncoder(4, max_iter=2)], expected_failed_checks=corrupted_apart)
def test_denoising_auto_encoder_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


# Repetitions of a sample are compared with other noise, and are in other batches.
ENERGIES = [
    EnergyModel(4, max_iter=2, tol=0),
    EnergyModel(4, energy_function="softplus", max_iter=2, tol=0),
    EnergyModel(energy_function="gaussian", loss="maximum_likelihood", max_iter=2, tol=0),
]


@pytest.mark.filterwarnings("ignore:X has directions:UserWarning")
@parametrize_with_checks(ENERGIES)
def test_energy_model_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


def compared_with_noise(estimator):
    return {"check_sample_weight_equivalence_on_dense_data": "other noise, in other batches"}


@pytest.mark.filterwarnings("ignore:X has directions:UserWarning")
@parametrize_with_checks(
    [
        EnergyModel(4, loss=loss, n_chains=5, max_iter=2, tol=0)
        for loss in ("denoising_score_matching", "noise_contrastive", "pcd", "cd")
    ],
    expected_failed_checks=compared_with_noise,
)
def test_energy_model_with_noise_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


def network(head):
    return make_pipeline(StandardScaler(), PSD(4, alpha=0.3, max_iter=1, random_state=0), head)


TUNED = FineTunedClassifier(network(LogisticRegression()), max_iter=1)
TUNED_REGRESSORS = [
    FineTunedRegressor(network(LinearRegression()), max_iter=1),
    FineTunedRegressor(network(LinearSVR(random_state=0)), max_iter=1),  # of one output
]
TUNED_LABELS = [
    FineTunedClassifier(network(each(LogisticRegression())), max_iter=1)
    for each in (OneVsRestClassifier, MultiOutputClassifier)
]


def learned_from_all_alike(estimator):
    """Steps before the classifier do not use weights."""
    reason = "what is learned without labels takes all samples alike"
    checks = [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")]
    return dict.fromkeys(checks, reason)


@parametrize_with_checks([TUNED], expected_failed_checks=learned_from_all_alike)
def test_tuned_pipeline_is_a_classifier_of_scikit_learn(estimator, check, request):
    """Weights of classes also have tests among those of the bad input of fine-tuning."""
    has_many_passes = check.func.__name__ == "check_class_weight_classifiers"
    if has_many_passes and not request.config.getoption("--all-cases"):
        pytest.skip("sets max_iter=1000: runs with --all-cases")
    check(estimator)


@pytest.mark.filterwarnings("ignore:Samples have a root mean square norm:UserWarning")
@parametrize_with_checks(
    [DrSAEClassifier(10, pretrain_max_iter=2, max_iter=5)],
    expected_failed_checks=learned_from_all_alike,
)
def test_discriminative_auto_encoder_is_a_classifier_of_scikit_learn(estimator, check):
    check(estimator)


@parametrize_with_checks(TUNED_REGRESSORS, expected_failed_checks=learned_from_all_alike)
def test_tuned_pipeline_is_a_regressor_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", TUNED_LABELS, ids=["one versus rest", "outputs"])
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_classifiers_multilabel_representation_invariance,
        estimator_checks.check_classifiers_multilabel_output_format_predict,
        estimator_checks.check_classifiers_multilabel_output_format_predict_proba,
        estimator_checks.check_classifiers_multilabel_output_format_decision_function,
    ],
)
def test_tuned_pipeline_is_a_classifier_of_several_labels_of_scikit_learn(estimator, check):
    """Checks with one label for each sample do not apply, as to the last step itself."""
    check("FineTunedClassifier", estimator)
