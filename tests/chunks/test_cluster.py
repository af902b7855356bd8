"""Learning on the processes of a cluster, some of which are killed: the model is the same."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import dask
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_ebm import PSD, RBM, SparseCoder

da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

X = np.random.default_rng(0).standard_normal((2048, 12))
MODEL = SparseCoder(8, alpha=0.5, batch_size=1024, max_iter=3, tol=0, random_state=0)


def chunked(array=X, length=512):
    return da.from_array(array, chunks=(length, *array.shape[1:]))


def slowly(chunks):
    """Return the same array, whose chunks take a moment to load."""

    def load(block):
        time.sleep(0.02)
        return block

    return chunks.map_blocks(load, dtype=chunks.dtype)


@pytest.fixture(scope="module")
def expected():
    """The model that tasks in the calling thread give."""
    with dask.config.set(scheduler="synchronous"):
        return clone(MODEL).fit(chunked())


@pytest.fixture(scope="module")
def cluster():
    """Two processes with a thread each."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


def assert_same(found, expected):
    assert_allclose(found.components_, expected.components_, rtol=1e-12, atol=1e-14)
    assert_allclose(found.objective_curve_, expected.objective_curve_, rtol=1e-12)


@pytest.mark.slow
def test_a_pool_of_processes_gives_the_model_of_threads(expected):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        with dask.config.set(scheduler="processes", pool=pool):
            assert_same(clone(MODEL).fit(chunked()), expected)


@pytest.mark.slow
def test_processes_give_the_model_of_threads(client, expected):
    model = clone(MODEL).fit(chunked())
    assert_same(model, expected)
    assert type(model.components_) is np.ndarray
    lazy = model.transform(chunked())
    assert_array_equal(lazy.compute(), model.transform(X))


@pytest.mark.slow
@pytest.mark.parametrize("model", [PSD(8, alpha=0.5), RBM(8, visible="gaussian")])
def test_encoders_and_particles_travel_to_workers(client, model):
    model = model.set_params(max_iter=1, batch_size=1024, random_state=0)
    found = clone(model).fit(chunked())
    with dask.config.set(scheduler="synchronous"):
        assert_allclose(found.transform(X), clone(model).fit(chunked()).transform(X), atol=1e-10)


class During:
    """Callback that acts a moment after the first step, while workers compute the second one.

    If it repeats, it acts again while the fit goes on: Python ignores an interrupt that arrives in
    a destructor, such as that of a future.
    """

    def __init__(self, act, repeats=False):
        self.act = act
        self.repeats = repeats
        self.timer = None

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **data):
        pass

    def on_fit_task_end(self, estimator, context, **data):
        is_due = self.timer is None or (self.repeats and not self.timer.is_alive())
        if context.task_name == "batch" and is_due:
            self.timer = threading.Timer(0.03, self.act)
            self.timer.start()


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(cluster, client, expected):
    """Its tasks run again on another worker, from the chunks on."""
    victim = next(iter(cluster.workers.values())).process.pid
    kill = During(lambda: os.kill(victim, signal.SIGKILL))
    assert_same(clone(MODEL).set_callbacks(kill).fit(slowly(chunked())), expected)
    kill.timer.join()
    with pytest.raises(ProcessLookupError):
        os.kill(victim, 0)


@pytest.fixture
def usual_interrupts():
    """Let SIGINT raise KeyboardInterrupt, even if a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_leaves_a_usable_model_and_cancels_tasks(client, usual_interrupts):
    interrupt = During(lambda: os.kill(os.getpid(), signal.SIGINT), repeats=True)
    model = clone(MODEL).set_params(max_iter=1000).set_callbacks(interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(chunked())
    assert np.isfinite(model.transform(X)).all()
    assert_allclose(np.linalg.norm(model.components_, axis=1), 1, rtol=1e-12)
    deadline = time.monotonic() + 10
    while any(client.processing().values()) or client.futures:
        assert time.monotonic() < deadline, "tasks remain on the workers"
        time.sleep(0.05)
    assert model.set_params(max_iter=1, warm_start=True).set_callbacks().fit(chunked()).n_iter_ == 1


@pytest.mark.slow
def test_an_error_names_its_chunk(client):
    """A chunk that cannot be loaded, and one that cannot be used."""

    def fails_at(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 2:
            raise OSError("disk is gone")
        return block

    with pytest.raises(OSError, match=r"disk is gone\n.*chunk 2 of X \(samples 1024 to 1535\)"):
        clone(MODEL).fit(chunked().map_blocks(fails_at, dtype=X.dtype))
    holes = X.copy()
    holes[1999, 3] = np.nan
    with pytest.raises(ValueError, match=r"contains NaN.\n(.*\n)?.*chunk 3 of X"):
        clone(MODEL).fit(chunked(holes))
