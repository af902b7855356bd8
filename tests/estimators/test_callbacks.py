"""scikit-learn's callbacks: the state that they observe, their actions, and progress bars."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.callback import ProgressBar
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from tests.registries.row_models import fitted_attributes, kinds, learned, learners, make, models

N_TRAINED = 90
SETTINGS = {"n_components": 6, "max_iter": 3, "tol": 0, "batch_size": 30}
LABEL = r"pass 2: (?:objective|loss) \d+\.?\d*,(?: held out \d+\.?\d*,)? \d+\.\d % active"
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


@pytest.fixture(scope="module")
def patches(patches):
    return patches[:N_TRAINED]


class Recorder:
    """Records the tasks of one level at their end, and optionally acts on the model."""

    def __init__(self, depth=1, act=lambda model: None):
        self.depth, self.act = depth, act
        self.names, self.models = [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.is_over = True

    def on_fit_task_begin(self, estimator, context, **data):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **data):
        if len(context_path(context)) != self.depth + 1:
            return False
        self.names.append(context.task_name)
        self.models.append(fitted_estimator)
        return self.act(fitted_estimator)


def context_path(context):
    return [] if context is None else [*context_path(context.parent), context]


def kept_pass(model):
    """Return the index of the pass that fit keeps: the last, or the one with the lowest loss."""
    return np.argmin(getattr(model, "validation_curve_", -np.arange(model.n_iter_ + 1)))


@models
def test_callbacks_see_a_usable_model_after_each_pass(patches, name):
    recorder = Recorder()
    model = make(name, **SETTINGS).set_callbacks(recorder).fit(patches)
    assert len(recorder.models) == 3
    for n, seen in enumerate(recorder.models, 1):
        assert fitted_attributes(seen).keys() == fitted_attributes(model).keys()
        assert_array_equal(seen.objective_curve_, model.objective_curve_[:n])
        assert np.all(np.isfinite(seen.transform(patches)))
    if kept := kept_pass(model):
        code = recorder.models[kept - 1].transform(patches)
        assert_array_equal(code, model.transform(patches))
    first, second, _ = (learned(seen) for seen in recorder.models)
    assert np.any(first != second)  # at least one entry differs


@learners
def test_the_label_of_a_pass_tells_where_the_one_before_ended(patches, name):
    recorder = Recorder()
    model = make(name, **SETTINGS).set_callbacks(recorder).fit(patches)
    objective, sparsity = model.objective_curve_[1], model.sparsity_curve_[1]
    assert recorder.names[0] == "pass"
    assert recorder.names[2] == f"pass 2: objective {objective:.4g}, {100 * sparsity:.1f} % active"


@kinds
def test_batches_are_tasks_below_the_passes(patches, name):
    recorder = Recorder(depth=2)
    make(name, **SETTINGS).set_callbacks(recorder).fit(patches)
    assert recorder.names == ["batch"] * 9


@kinds
def test_a_callback_can_stop_learning(patches, name):
    recorder = Recorder(act=lambda model: model.n_iter_ == 2)
    model = make(name, **{**SETTINGS, "max_iter": 50}).set_callbacks(recorder).fit(patches)
    assert model.n_iter_ == 2
    assert np.all(np.isfinite(model.transform(patches)))


def interrupt(model):
    if model.n_iter_ == 2:
        raise KeyboardInterrupt


@models
def test_ctrl_c_while_a_callback_runs_leaves_a_usable_model(patches, name):
    recorder = Recorder(act=interrupt)
    model = make(name, **SETTINGS).set_callbacks(recorder)
    with pytest.raises(KeyboardInterrupt):
        model.fit(patches)
    assert model.n_iter_ == 2
    if kept := kept_pass(model):
        code = recorder.models[kept - 1].transform(patches)
        assert_array_equal(code, model.transform(patches))
    assert recorder.is_over


@kinds
def test_callbacks_do_not_change_the_model(patches, name):
    plain = make(name, **SETTINGS).fit(patches)
    watched = make(name, **SETTINGS).set_callbacks(Recorder()).fit(patches)
    assert_array_equal(learned(watched), learned(plain))


def shown(capsys):
    """Return the final state of the progress bars on the screen."""
    return re.sub(r"\s+", " ", capsys.readouterr().out)


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@kinds
def test_progress_bar_shows_objective_and_sparsity(patches, name, capsys):
    pytest.importorskip("rich")
    model = make(name, **SETTINGS).set_callbacks(ProgressBar()).fit(patches)
    screen = shown(capsys)
    assert re.search(f"{type(model).__name__} - {LABEL}", screen)
    assert "100%" in screen


@kinds
def test_progress_bar_reaches_into_a_pipeline(patches, name, capsys):
    pytest.importorskip("rich")
    pipeline = make_pipeline(make(name, **SETTINGS), LogisticRegression())
    pipeline.set_callbacks(ProgressBar()).fit(patches, patches[:, 0] > 0)
    assert re.search(LABEL, shown(capsys))


@kinds
def test_progress_bar_reaches_into_a_grid_search(patches, name, capsys):
    pytest.importorskip("rich")
    pipeline = make_pipeline(make(name, **SETTINGS), LogisticRegression())
    step = pipeline.steps[0][0]
    search = GridSearchCV(pipeline, {f"{step}__alpha": [0.3, 1.0]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(patches, patches[:, 0] > 0)
    assert len(re.findall(LABEL, shown(capsys))) >= 4  # two alphas, two folds
    assert search.best_estimator_[0].n_iter_ == 3
