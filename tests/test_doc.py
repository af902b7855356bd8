"""All code blocks of the user guide run, and print the documented output."""

import doctest
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

GUIDE = Path(__file__).resolve().parents[1] / "doc" / "user_guide"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
OPTIONAL = {"saving.rst": ["skops.io", "mlflow.sklearn", "skl2onnx", "onnxruntime", "torch"]}
PAGES = sorted(page.name for page in GUIDE.glob("*.rst"))


@pytest.mark.parametrize("page", PAGES)
def test_code_of_the_guide_runs(page, tmp_path, monkeypatch):
    for library in OPTIONAL.get(page, ()):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    with threadpool_limits(1, "blas"):  # waiting threads on a busy core would double the time
        failed, _ = doctest.testfile(str(GUIDE / page), module_relative=False, optionflags=FLAGS)
    assert failed == 0


def test_guide_holds_no_code_that_the_test_above_would_miss():
    texts = [(GUIDE / page).read_text("utf-8") for page in PAGES]
    assert not [text for text in texts if "code-block:: python" in text]
    assert sum(text.count(">>> ") for text in texts) > 50
