"""make_feature_hierarchy: names of the steps, their parameters, and the whole pipeline."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline

from sklearn_ebm import (
    PSD,
    RBM,
    ConvPSD,
    FineTunedClassifier,
    SparseCoder,
    make_feature_hierarchy,
)

X, Y = load_digits(return_X_y=True)
X, Y = X[:100] / 8, Y[:100]
IMAGES = X.reshape(-1, 8, 8)
MODEL = ConvPSD(alpha=0.1, border="same", max_iter=1, tol=0)
SMALL = {"n_components": (3, 4), "kernel_size": 3, "window_size": 3, "connections": 2}
pytestmark = pytest.mark.filterwarnings(
    "ignore:Maximum number of iterations", "ignore:lbfgs failed"
)


def small(**parameters):
    settings = {**SMALL, "model": MODEL, "random_state": 0}
    return make_feature_hierarchy(**{**settings, **parameters})


def test_steps_of_two_stages_have_their_names_in_order():
    pipeline = make_feature_hierarchy()
    assert type(pipeline) is Pipeline
    assert list(pipeline.named_steps) == [
        "contrast", "model1", "rectifier1", "contrast1", "pooler1",
        "model2", "rectifier2", "contrast2", "pooler2", "flattener", "classifier",
    ]  # fmt: skip
    assert isinstance(pipeline["model1"], ConvPSD)
    assert isinstance(pipeline["classifier"], LogisticRegression)


@pytest.mark.parametrize(
    ("parameters", "left_out"),
    [
        ({"rectify": None}, {"rectifier1", "rectifier2"}),
        ({"window_size": None}, {"contrast", "contrast1", "contrast2"}),
        ({"pooling": None}, {"pooler1", "pooler2"}),
        ({"classifier": None}, {"classifier"}),
        ({"n_stages": 1}, {"model2", "rectifier2", "contrast2", "pooler2"}),
    ],
)
def test_what_is_none_is_left_out(parameters, left_out):
    names = list(make_feature_hierarchy().named_steps)
    kept = [name for name in names if name not in left_out]
    assert list(make_feature_hierarchy(**parameters).named_steps) == kept


@pytest.mark.parametrize("model", [PSD(alpha=0.3), RBM(), SparseCoder()])
def test_stages_of_models_of_rows_are_the_model_and_the_rectifier(model):
    pipeline = make_feature_hierarchy(model=model, n_components=[7, 5])
    expected = ["model1", "rectifier1", "model2", "rectifier2", "classifier"]
    assert list(pipeline.named_steps) == expected
    assert [pipeline[f"model{n}"].n_components for n in (1, 2)] == [7, 5]
    assert type(pipeline["model1"]) is type(model)
    assert pipeline["model1"] is not model


def test_sequences_are_by_stage_and_their_last_entry_goes_on():
    pipeline = make_feature_hierarchy(
        3, n_components=(4, 6), kernel_size=[7, 5, 3], alpha=(0.1, 0.2), pool_shape=(3, (2, 1)),
        pool_stride=2, connections=5, rectify="split", pooling="l2", window_size=5,
    )  # fmt: skip
    models = [pipeline[f"model{n}"] for n in (1, 2, 3)]
    assert [model.n_components for model in models] == [4, 6, 6]
    assert [model.kernel_size for model in models] == [7, 5, 3]
    assert [model.alpha for model in models] == [0.1, 0.2, 0.2]
    poolers = [pipeline[f"pooler{n}"] for n in (1, 2, 3)]
    assert [pooler.pool_shape for pooler in poolers] == [3, (2, 1), (2, 1)]
    assert [pooler.pool_stride for pooler in poolers] == [2, 2, 2]
    assert {pooler.mode for pooler in poolers} == {"l2"}
    assert {pipeline[f"rectifier{n}"].mode for n in (1, 2, 3)} == {"split"}
    assert {pipeline[f"contrast{n}"].window_size for n in (1, 2, 3)} == {5}


@pytest.mark.parametrize(
    ("connections", "rectify", "expected"),
    [(16, "abs", [None, 16]), (32, "abs", [None, None]), (32, "split", [None, 32]),
     (None, "abs", [None, None])],
)  # fmt: skip
def test_kernels_read_some_of_the_maps_where_there_are_more(connections, rectify, expected):
    pipeline = make_feature_hierarchy(connections=connections, rectify=rectify)
    assert [pipeline[f"model{n}"].connections for n in (1, 2)] == expected


def test_a_seed_gives_each_stage_its_own_and_always_the_same():
    first, again, other = (make_feature_hierarchy(random_state=seed) for seed in (0, 0, 1))
    seeds = [[each[f"model{n}"].random_state for n in (1, 2)] for each in (first, again, other)]
    assert seeds[0] == seeds[1]
    assert len({*seeds[0], *seeds[2]}) == 4


def test_the_classifier_and_the_memory_are_those_that_are_given(tmp_path):
    last = RidgeClassifier(alpha=3)
    pipeline = make_feature_hierarchy(classifier=last, memory=str(tmp_path))
    assert pipeline["classifier"] is not last
    assert pipeline["classifier"].alpha == 3
    assert pipeline.memory == str(tmp_path)


def test_flat_rows_with_their_shape_give_what_images_give():
    images = small().fit(IMAGES, Y)
    rows = small(image_shape=(8, 8)).fit(X, Y)
    assert rows.steps[0][0] == "images"
    assert_array_equal(rows.decision_function(X), images.decision_function(IMAGES))
    colours = small(n_stages=1, image_shape=(4, 8, 2)).fit(X, Y)
    expected = small(n_stages=1).fit(X.reshape(-1, 4, 8, 2), Y)
    assert_array_equal(
        colours.decision_function(X), expected.decision_function(X.reshape(-1, 4, 8, 2))
    )


def test_stages_are_steps_of_a_network_that_labels_train():
    classifier = FineTunedClassifier(small(), max_iter=4, batch_size=100, random_state=0)
    classifier.fit(IMAGES, Y)
    assert np.all(np.diff(classifier.objective_curve_) < 0)
    untrained = small().fit(IMAGES, Y)
    for name in ("model1", "model2"):
        before, after = untrained[name], classifier.pipeline_[name]
        assert_allclose(after.components_, before.components_, rtol=1e-8, atol=1e-10)
        assert np.any(after.encoder_components_ != before.encoder_components_)
    table = classifier.pipeline_["model2"].connections_
    read = np.any(classifier.pipeline_["model2"].encoder_components_ != 0, axis=(1, 2))
    assert_array_equal(read, table)
    assert_array_equal(table.sum(axis=1), np.full(4, 2))


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_stages", 0), ("n_components", 0), ("kernel_size", 0), ("alpha", 0), ("connections", 0),
     ("rectify", "relu"), ("window_size", 0), ("pooling", "sum"), ("pool_shape", 0),
     ("classifier", "svm"), ("model", "psd"), ("image_shape", 8), ("random_state", "a")],
)  # fmt: skip
def test_parameters_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of make_feature_hierarchy"):
        make_feature_hierarchy(**{name: value})
