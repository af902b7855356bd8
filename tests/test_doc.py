"""All code blocks of the documentation run, and print the documented output."""

import doctest
import inspect
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

import sklearn_ebm

DOC = Path(__file__).resolve().parents[1] / "doc"
BUILT = {"auto_examples", "generated", "backreferences", "_templates"}  # written by Sphinx
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
OPTIONAL = {
    "user_guide/larger_than_memory.rst": ["dask.array", "distributed"],
    "user_guide/saving.rst": ["skops.io", "mlflow.sklearn", "skl2onnx", "onnxruntime", "torch"],
}
PAGES = {
    page.relative_to(DOC).as_posix(): page.read_text("utf-8")
    for page in sorted(DOC.rglob("*.rst"))
    if not BUILT & set(page.relative_to(DOC).parts)
}


@pytest.mark.no_cover  # what documentation runs is tested elsewhere, and coverage doubles its time
@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if ">>> " in text])
def test_code_of_the_documentation_runs(page, tmp_path, monkeypatch):
    for library in OPTIONAL.get(page, ()):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    with threadpool_limits(1, "blas"):  # waiting threads on a busy core would double the time
        failed, _ = doctest.testfile(str(DOC / page), module_relative=False, optionflags=FLAGS)
    assert failed == 0


def test_documentation_has_no_code_that_the_test_above_would_miss():
    assert not [page for page, text in PAGES.items() if "code-block:: python" in text]
    assert sum(text.count(">>> ") for text in PAGES.values()) > 50


def test_html_representations_link_to_pages_of_the_api():
    listed = set(PAGES["api/index.rst"].split())
    public = [getattr(sklearn_ebm, name) for name in sklearn_ebm.__all__ if name in listed]
    classes = [each for each in public if inspect.isclass(each)]
    estimators = [each for each in classes if issubclass(each, BaseEstimator)]
    assert len(estimators) > 10
    for each in estimators:
        wrapped = ["pipeline"] if "estimator" in inspect.signature(each).parameters else []
        link = each(*wrapped)._get_doc_link()
        assert link.endswith(f"/api/generated/sklearn_ebm.{each.__name__}.html")


def test_api_lists_every_public_name():
    listed = set(PAGES["api/index.rst"].split())
    for module in (sklearn_ebm, sklearn_ebm.datasets, sklearn_ebm.inspection, sklearn_ebm.metrics):
        names = {name for name in module.__all__ if not name.startswith("__")}
        assert names - {"datasets", "inspection", "metrics"} <= listed
