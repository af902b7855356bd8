"""FineTunedClassifier: the network of a pipeline, and training with labels."""

import copy
import os

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_ebm import (
    PSD,
    RBM,
    ConvPSD,
    FineTunedClassifier,
    Flattener,
    GroupSparsePSD,
    LISTAEncoder,
    LocalContrastNormalizer,
    LocalPSD,
    Pooler,
    Rectifier,
    SparseCoder,
    ZCAWhitener,
)
from sklearn_ebm.estimators._label_learning import LabelLearning
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS, ENCODERS, UNROLLED_ENCODERS
from sklearn_ebm.learning import _stages
from sklearn_ebm.learning.criteria import Labels
from tests.estimators.tuning import (
    IMAGES,
    SMALL,
    X,
    Y,
    assert_gradients,
    conv,
    network_of,
    psd,
    tuned_classifier,
)

MACHINE = {"random_state": 0, "max_iter": 1}
FLAT = {"image_shape": (8, 8)}
pytestmark = pytest.mark.filterwarnings(
    "ignore:Maximum number of iterations", "ignore:lbfgs failed", "ignore:.*hidden units are dead",
    "ignore:X has values",
)  # fmt: skip


# Gradients

GROUPS = {"groups": 3, **SMALL}
LOCAL = {"kernel_size": 3, "tile_shape": 2, "alpha": 0.3, "pool_sigma": 1.0, **SMALL}
NETWORKS = {
    **{f"PSD {name}": [psd(encoder=name)] for name in ENCODERS},
    **{
        f"GroupSparsePSD {output}": [GroupSparsePSD(12, output=output, **GROUPS)]
        for output in ("pooled", "simple", "both")
    },
    **{
        f"LISTAEncoder {name}": [LISTAEncoder(8, alpha=0.3, encoder=name, **SMALL)]
        for name in UNROLLED_ENCODERS
    },
    "LISTAEncoder untied": [LISTAEncoder(8, alpha=0.3, tied=False, **SMALL)],
    **{
        f"RBM {visible}": [RBM(6, visible=visible, **MACHINE)]
        for visible in ("bernoulli", "gaussian")
    },
    **{f"ConvPSD {name}": [conv(encoder=name), Flattener()] for name in CONVOLUTIONAL_ENCODERS},
    **{f"ConvPSD {name} on rows": [conv(encoder=name, **FLAT)] for name in CONVOLUTIONAL_ENCODERS},
    "LocalPSD pooled": [LocalPSD(4, **LOCAL), Flattener()],
    "LocalPSD simple": [LocalPSD(output="simple", **LOCAL), Flattener()],
    "LocalPSD on rows": [LocalPSD(**LOCAL, image_shape=(8, 8))],
    **{f"Rectifier {mode}": [psd(), Rectifier(mode)] for mode in ("abs", "positive", "split")},
    **{
        f"Pooler {mode}": [conv(), Rectifier(), Pooler(mode), conv(2), Flattener()]
        for mode in ("average", "max", "l2")
    },
    "contrast": [conv(), LocalContrastNormalizer(5), Flattener()],
    "contrast, subtracted": [conv(), LocalContrastNormalizer(5, divide=False), Flattener()],
    "layers on rows": [
        conv(**FLAT), Rectifier(), LocalContrastNormalizer(5, image_shape=(10, 10, 3)),
        Pooler("average", image_shape=(10, 10, 3)), psd(),
    ],
    "connections": [conv(4), conv(border="same", connections=2), Flattener()],
    "deep": [psd(encoder="tanh"), GroupSparsePSD(12, output="both", **GROUPS), RBM(6, **MACHINE)],
    **{
        f"{type(step).__name__} before and after": [step, psd(), clone(step), psd(6)]
        for step in (ZCAWhitener(), StandardScaler(), MinMaxScaler(), MaxAbsScaler(), PCA(8))
    },
    "PCA whiten": [psd(), PCA(6, whiten=True), psd(6)],
    "passed through": [psd(), "passthrough", make_pipeline(Rectifier(), psd(6))],
}  # fmt: skip


def fitted(name, y=Y):
    """Return the pipeline of a network, and the data that it is fitted on."""
    steps = NETWORKS[name]
    takes_images = isinstance(steps[0], ConvPSD | LocalPSD) and steps[0].image_shape is None
    data = (IMAGES if takes_images else X)[:100]
    return clone(make_pipeline(*steps, LogisticRegression(max_iter=5))).fit(data, y[:100]), data


@pytest.mark.no_cover
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_every_step_are_those_of_the_loss(name):
    pipeline, data = fitted(name)
    network, x = network_of(pipeline, data[:7])
    assert_allclose(network.scores(x), pipeline.decision_function(data[:7]), rtol=1e-8)
    assert_gradients(network, x, (Y[:7, None] == np.arange(10)).astype(float))


@pytest.mark.parametrize("name", ["deep", "connections"])
def test_gradients_of_two_classes_are_those_of_the_loss(name):
    y = Y > 4
    pipeline, data = fitted(name, y)
    network, x = network_of(pipeline, data[:7])
    scores = network.scores(x)
    assert_allclose(scores[:, 1] - scores[:, 0], pipeline.decision_function(data[:7]), rtol=1e-8)
    assert_gradients(network, x, (y[:7, None] == [False, True]).astype(float))


def test_gradients_are_those_of_torch():
    """For g tanh(x W + b), its positive and negative parts, and an RBM."""
    torch = pytest.importorskip("torch")
    pipeline = make_pipeline(
        psd(encoder="tanh"), Rectifier("split"), RBM(6, **MACHINE), LogisticRegression(max_iter=30)
    ).fit(X, Y)
    network, x = network_of(pipeline, X[:50])
    target = (Y[:50, None] == np.arange(10)).astype(float)
    losses, _, gradients = network.losses_and_gradients(x, target, np.ones(50))
    leaves = {
        name: torch.tensor(value, requires_grad=True) for name, value in network.parameters.items()
    }
    first, second, head = (
        {name[2]: leaf for name, leaf in leaves.items() if name[0] == step}
        for step in ("psd", "rbm", "logisticregression")
    )
    code = torch.tanh(torch.tensor(x) @ first["weights"] + first["bias"]) * first["gain"]
    code = torch.cat([code.clamp(min=0), (-code).clamp(min=0)], dim=1)
    hidden = torch.sigmoid(code @ second["weights"] + second["bias"])
    scores = hidden @ head["weights"] + head["bias"]
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor(Y[:50]))
    loss.backward()
    assert_allclose(losses.mean(), loss.item(), rtol=1e-10)
    for name, leaf in leaves.items():
        assert_allclose(
            gradients[name], leaf.grad.numpy(), rtol=1e-8, atol=1e-12, err_msg=str(name)
        )


# Layerwise training


def copied(classifier, **parameters):
    return clone(classifier).set_params(**parameters)


@pytest.fixture(scope="module")
def classifier():
    """A fitted classifier, which tests must not change."""
    return tuned_classifier().fit(X, Y)


@pytest.fixture(scope="module")
def pipeline():
    """Two models and a classifier, fitted without a network; tests must not change it."""
    steps = StandardScaler(), psd(), Rectifier(), psd(12, alpha=0.1)
    return make_pipeline(*steps, LogisticRegression(max_iter=30)).fit(X, Y)


def encoders(pipeline):
    """Return the parameters of the encoders, by step and name."""
    return {
        (name, key): value
        for name, step in pipeline.steps
        if hasattr(step, "encoder_")
        for key, value in step.encoder_.parameters.items()
    }


def assert_same(first, second, data=X):
    """Assert that two classifiers are bit-identical."""
    assert_array_equal(first.decision_function(data), second.decision_function(data))
    assert_array_equal(first.objective_curve_, second.objective_curve_)


@pytest.mark.parametrize(
    "name",
    ["deep", "connections", "layers on rows", "LISTAEncoder untied", "LISTAEncoder lcod",
     "RBM gaussian", "PCA whiten", "passed through"],
)  # fmt: skip
def test_the_tuned_pipeline_computes_what_the_network_computed(name, monkeypatch):
    pipeline, data = fitted(name)
    networks, make = [], Labels.__init__

    def keep(self, network, *options):
        networks.append(network)
        make(self, network, *options)

    monkeypatch.setattr(Labels, "__init__", keep)
    classifier = FineTunedClassifier(pipeline, prefit=True, max_iter=2, random_state=0)
    scores = classifier.fit(data, Y[: len(data)]).decision_function(data)
    network, x = network_of(pipeline, data)
    assert_allclose(scores, networks[-1].scores(x), rtol=1e-8, atol=1e-10)
    assert np.abs(scores - network.scores(x)).max() > 1e-3  # scores of the tuned network
    plain = classifier.to_pipeline()
    assert type(plain) is Pipeline
    assert_allclose(plain.decision_function(data), scores, rtol=1e-8, atol=1e-10)
    assert_array_equal(plain.predict(data), classifier.predict(data))


def test_the_pipeline_that_is_handed_out_is_a_copy(classifier):
    before = classifier.decision_function(X)
    classifier.to_pipeline()["logisticregression"].coef_[...] = 0
    assert_array_equal(classifier.decision_function(X), before)


@pytest.mark.parametrize("y", [Y, Y > 4], ids=["several", "two"])
def test_probabilities_are_the_softmax_of_the_scores(y):
    classifier = tuned_classifier(max_iter=1).fit(X, y)
    scores = classifier.decision_function(X)
    if scores.ndim == 1:
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
    odds = np.exp(scores)
    assert_allclose(classifier.predict_proba(X), odds / odds.sum(axis=1, keepdims=True))
    assert_allclose(np.exp(classifier.predict_log_proba(X)), classifier.predict_proba(X))
    assert_array_equal(classifier.predict(X), classifier.classes_[scores.argmax(axis=1)])


def test_without_passes_it_is_the_pipeline(pipeline):
    classifier = FineTunedClassifier(pipeline, max_iter=0).fit(X, Y)
    assert_allclose(classifier.decision_function(X), pipeline.decision_function(X), rtol=1e-8)
    assert classifier.n_iter_ == len(classifier.objective_curve_) == 0


def test_the_first_loss_is_that_of_the_pipeline_and_training_lowers_it(pipeline):
    classifier = FineTunedClassifier(
        pipeline, prefit=True, max_iter=8, batch_size=len(X), random_state=0
    ).fit(X, Y)
    before = log_loss(Y, pipeline.predict_proba(X))
    assert_allclose(classifier.objective_curve_[0], before, rtol=1e-8)
    assert_allclose(classifier.accuracy_curve_[0], pipeline.score(X, Y))
    assert np.all(np.diff(classifier.objective_curve_) < 0)
    assert log_loss(Y, classifier.predict_proba(X)) < classifier.objective_curve_[-1]


def test_a_prefit_pipeline_is_gone_on_from_and_stays_as_it_is(pipeline):
    before, state = pipeline.decision_function(X), copy.deepcopy(encoders(pipeline))
    classifier = FineTunedClassifier(pipeline, prefit=True, max_iter=1, random_state=0)
    classifier.fit(X, Y)
    assert_array_equal(pipeline.decision_function(X), before)
    for key, value in encoders(pipeline).items():
        assert_array_equal(value, state[key])
        assert np.any(encoders(classifier.pipeline_)[key] != value)
    assert_array_equal(classifier.pipeline_["psd-1"].components_, pipeline["psd-1"].components_)
    cloned = clone(classifier)
    assert cloned.estimator is not pipeline
    assert_same(cloned.fit(X, Y), classifier)


def test_an_estimator_that_is_not_prefit_stays_unfitted(classifier):
    assert not hasattr(classifier.estimator["psd"], "components_")
    assert not hasattr(clone(classifier).estimator["psd"], "components_")


def test_warm_start_goes_on_with_labels_only(classifier):
    settings = {"warm_start": True, "learning_rate": lambda done: 1e-3, "early_stopping": True}
    going = copied(classifier, **settings).fit(X, Y)
    atoms, best = going.pipeline_["psd"].components_.copy(), going.validation_accuracy_curve_.max()
    first = going.objective_curve_[-1]
    going.fit(X, Y)
    assert going.validation_accuracy_curve_[0] == best  # for the same samples
    assert going.objective_curve_[0] < first
    assert_array_equal(going.pipeline_["psd"].components_, atoms)


def test_the_same_seed_gives_the_same_model_with_any_number_of_threads(classifier):
    with threadpool_limits(1):
        alone = clone(classifier).fit(X, Y)
    with threadpool_limits(2):
        together = clone(classifier).fit(X, Y)
    assert_same(alone, together)
    other = copied(classifier, random_state=1).fit(X, Y)
    assert np.any(other.objective_curve_ != alone.objective_curve_)


def test_float32_stays_float32_and_learns_the_same():
    models = {
        dtype: tuned_classifier(psd(alpha=np.float64(0.3)), batch_size=50).fit(X.astype(dtype), Y)
        for dtype in (np.float32, float)
    }
    narrow, wide = (models[dtype].pipeline_["psd"] for dtype in (np.float32, float))
    for name, value in narrow.encoder_.parameters.items():
        assert value.dtype == np.float32
        assert wide.encoder_.parameters[name].dtype == float
    assert narrow.transform(X.astype(np.float32)).dtype == np.float32
    curves = [models[dtype].objective_curve_ for dtype in (np.float32, float)]
    assert_allclose(*curves, rtol=0.05)  # for codes that are inferred to a tolerance


# Parameters that change, and step sizes


@pytest.mark.parametrize("frozen", ["psd-1", "psd-2"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_rate_of_zero_leaves_a_step_bit_for_bit(pipeline, frozen, optimizer):
    classifier = FineTunedClassifier(
        pipeline, prefit=True, optimizer=optimizer, learning_rates={frozen: 0}, max_iter=1,
        weight_decay=0.1, random_state=0,
    ).fit(X, Y)  # fmt: skip
    for (step, name), value in encoders(classifier.pipeline_).items():
        before = encoders(pipeline)[step, name]
        assert np.array_equal(value, before) == (step == frozen), (step, name)
    assert np.any(classifier.pipeline_[-1].coef_ != pipeline[-1].coef_)


def test_a_coder_may_lead_if_it_is_left_as_it_is():
    coder = SparseCoder(8, alpha=0.3, **SMALL)
    classifier = tuned_classifier(coder, psd(), learning_rates={"sparsecoder": 0}).fit(X, Y)
    assert_array_equal(
        classifier.pipeline_["sparsecoder"].components_, clone(coder).fit(X).components_
    )
    assert len(classifier.objective_curve_) == 2


def test_weights_decay_and_biases_do_not(pipeline):
    """Steps are negligible and the decay is 1 % per step: the remaining share is known."""
    classifier = FineTunedClassifier(
        pipeline, prefit=True, optimizer="sgd", learning_rate=lambda done: 1e-12, weight_decay=1e10,
        max_iter=2, batch_size=100, learning_rates={"psd-2": 0.5},
    ).fit(X, Y)  # fmt: skip
    before, after = pipeline[-1], classifier.pipeline_[-1]
    assert_allclose(after.coef_, 0.99**6 * before.coef_, rtol=1e-6)
    assert_allclose(after.intercept_, before.intercept_, rtol=1e-6)
    for step, share in (("psd-1", 0.99), ("psd-2", 0.995)):
        before, after = (encoders(each) for each in (pipeline, classifier.pipeline_))
        assert_allclose(after[step, "bias"], before[step, "bias"], rtol=1e-6, atol=1e-9)
        weights = share**6 * before[step, "weights"]
        assert_allclose(after[step, "weights"], weights, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_size_of_a_stage_does_not_matter_where_it_is_normalised(optimizer):
    """Filters, biases and thresholds are 16 times as large; normalised outputs are equal."""
    images, y = IMAGES[:100], Y[:100]
    pipeline = make_pipeline(
        conv(encoder="shrinkage"), LocalContrastNormalizer(3), Flattener(), LogisticRegression()
    ).fit(images, y)
    scores = []
    for size in (1, 16):
        scaled = copy.deepcopy(pipeline)
        parameters = scaled["convpsd"].encoder_.parameters
        parameters.update({name: size * value for name, value in parameters.items()})
        classifier = FineTunedClassifier(
            scaled, prefit=True, optimizer=optimizer, weight_decay=0.1, max_iter=2, random_state=0
        ).fit(images, y)
        scores.append(classifier.decision_function(images))
    assert_allclose(*scores, rtol=1e-6)
    assert np.abs(scores[0] - pipeline.decision_function(images)).max() > 1e-2


def test_a_callable_rate_receives_the_completed_share_of_training(pipeline):
    asked = []

    def schedule(done):
        asked.append(done)
        return 0.0

    classifier = FineTunedClassifier(
        pipeline, prefit=True, learning_rate=schedule, max_iter=2, batch_size=100
    )
    classifier.fit(X, Y)  # 2 passes of 3 batches
    assert_allclose([done for done in asked if done > 0], np.arange(1, 6) / 6)
    assert_allclose(classifier.decision_function(X), pipeline.decision_function(X), rtol=1e-8)


@pytest.fixture
def watched(monkeypatch):
    """Record the rows for training and for evaluation of the split, and the rows of batches."""
    seen = {"batches": []}
    split, contribute = LabelLearning._split, Labels.contribute

    def watch_split(self, *args):
        seen["train"], seen["held out"] = split(self, *args)
        return seen["train"], seen["held out"]

    def watch_step(self, model, batch, *args):
        seen["batches"].append(np.array(batch.X))
        return contribute(self, model, batch, *args)

    monkeypatch.setattr(LabelLearning, "_split", watch_split)
    monkeypatch.setattr(Labels, "contribute", watch_step)
    return seen


def test_early_stopping_keeps_what_is_best_on_samples_that_nothing_learned_from(watched):
    classifier = tuned_classifier(
        psd(), early_stopping=True, validation_fraction=0.2, n_iter_no_change=3, max_iter=60,
        learning_rate=lambda done: 0.1, batch_size=100,
    ).fit(X, Y)  # fmt: skip
    train, held_out = watched["train"], watched["held out"]
    assert len(held_out) == 60
    assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(len(X)))
    assert_allclose(np.bincount(Y[held_out]), np.bincount(Y) / 5, atol=1)
    curve, losses = classifier.validation_accuracy_curve_, classifier.validation_curve_
    assert classifier.n_iter_ + 1 == len(curve) == len(losses) < 61
    best = max(zip(curve, -losses, strict=True))
    assert classifier.score(X[held_out], Y[held_out]) == pytest.approx(curve.max())
    loss = log_loss(Y[held_out], classifier.predict_proba(X[held_out]))
    assert_allclose(loss, -best[1], rtol=1e-8)
    assert max(zip(curve[:-3], -losses[:-3], strict=True)) == best  # three passes did not improve
    learned = {tuple(row) for batch in watched["batches"] for row in batch}
    assert learned == set(map(tuple, X[train]))


def test_the_classifier_is_not_fitted_on_what_is_held_out(watched):
    classifier = tuned_classifier(early_stopping=True, max_iter=0).fit(X, Y)
    *_, last = classifier.pipeline_
    features, train = classifier.pipeline_[:-1].transform(X), watched["train"]
    expected = clone(last).fit(features[train], Y[train])
    assert_allclose(last.coef_, expected.coef_, rtol=1e-8, atol=1e-10)


# Learning without labels, and streaming of data


def test_unlabelled_samples_are_learned_from_by_all_steps_but_the_classifier(classifier):
    labelled, y, extra = X[:200], Y[:200], X[200:]
    classifier = copied(classifier, max_iter=0).fit(labelled, y, unsupervised_X=extra)
    steps = make_pipeline(*map(clone, (StandardScaler(), psd(), Rectifier()))).fit(X)
    features = classifier.pipeline_[:-1].transform(X)
    assert_allclose(features, steps.transform(X), rtol=1e-10)
    last = classifier.pipeline_[-1]
    expected = clone(last).fit(steps.transform(labelled), y)
    assert_allclose(last.coef_, expected.coef_, rtol=1e-6, atol=1e-9)


def test_a_subsample_is_what_steps_learn_from_at_most(monkeypatch):
    seen, fit = [], PSD.fit

    def watched(self, X, y=None, **options):
        seen.append(np.array(X))
        return fit(self, X, y, **options)

    monkeypatch.setattr(PSD, "fit", watched)
    classifier = tuned_classifier(psd(), subsample=50, max_iter=0)
    classifier.fit(X[:200], Y[:200], unsupervised_X=X[200:])
    copied(classifier, subsample=1000).fit(X[:200], Y[:200], unsupervised_X=X[200:])
    few, all_of_them = seen
    assert len(np.unique(few, axis=0)) == 50
    rows = {tuple(row): n for n, row in enumerate(X)}
    assert any(rows[tuple(row)] >= 200 for row in few)
    assert any(rows[tuple(row)] < 200 for row in few)
    assert_array_equal(all_of_them, X)


def test_unlabelled_samples_are_routed_as_metadata(classifier):
    labelled, y, extra = X[:200], Y[:200], X[200:]
    expected = clone(classifier).fit(labelled, y, unsupervised_X=extra)
    with config_context(enable_metadata_routing=True):
        asking = clone(classifier).set_fit_request(unsupervised_X=True)
        search = GridSearchCV(asking, {"max_iter": [2]}, cv=2)
        search.fit(labelled, y, unsupervised_X=extra)
        outer = make_pipeline("passthrough", asking).fit(labelled, y, unsupervised_X=extra)
    assert_same(search.best_estimator_, expected)
    assert_same(outer[-1], expected)


def test_memory_keeps_stages_that_did_not_change(tmp_path, monkeypatch):
    alphas, fit = [], PSD.fit

    def watched(self, X, y=None, **options):
        alphas.append(self.alpha)
        return fit(self, X, y, **options)

    monkeypatch.setattr(PSD, "fit", watched)
    steps = psd(), Rectifier(), psd(8, alpha=0.1)
    expected = tuned_classifier(*steps).fit(X, Y)
    cached = clone(expected)
    cached.estimator.memory = str(tmp_path)
    del alphas[:]
    first, second = clone(cached).fit(X, Y), clone(cached).fit(X, Y)
    assert alphas == [0.3, 0.1]  # only by the first
    cached.set_params(**{"estimator__psd-2__alpha": 0.2}).fit(X, Y)
    assert alphas == [0.3, 0.1, 0.2]
    for classifier in (first, second):
        assert_allclose(
            classifier.decision_function(X), expected.decision_function(X), rtol=1e-8, atol=1e-10
        )


def test_large_outputs_go_to_a_file_and_give_the_same(monkeypatch):
    seen, fit = [], PSD.fit

    def watched(self, X, y=None, **options):
        seen.append(X)
        return fit(self, X, y, **options)

    monkeypatch.setattr(PSD, "fit", watched)
    unfitted = tuned_classifier(psd(), Rectifier("split"), psd(8, alpha=0.1))
    in_memory = clone(unfitted).fit(X, Y)
    monkeypatch.setattr(_stages, "LARGEST_IN_MEMORY", 8 * len(X) * 20 - 1)  # one byte too few
    in_file = clone(unfitted).fit(X, Y)
    assert [isinstance(x, np.memmap) for x in seen] == [False, False, False, True]
    assert not os.path.exists(seen[3].filename)
    assert_same(in_memory, in_file)


class Watch(TransformerMixin, BaseEstimator):
    """A transformer that records the number of rows of each call and learns nothing."""

    sizes: list = []

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        self.sizes.append(len(X))
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def test_no_more_than_a_batch_lies_between_two_steps(monkeypatch):
    unfitted = tuned_classifier(psd(), Rectifier("split"), Watch(), psd(8, alpha=0.1), max_iter=0)
    unfitted.set_params(learning_rates={"psd-1": 0})  # steps without a derivative come first
    whole = clone(unfitted).fit(X, Y)
    del Watch.sizes[:]
    monkeypatch.setattr(_stages, "BATCH_NUMBERS", 20 * 30)  # for the widest array
    classifier = clone(unfitted).fit(X, Y)
    assert max(Watch.sizes) == 30
    del Watch.sizes[:]
    scores = classifier.decision_function(X)
    assert max(Watch.sizes) == 30
    assert_allclose(scores, whole.decision_function(X), rtol=1e-8, atol=1e-10)
