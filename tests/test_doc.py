"""All code blocks of the documentation run, and print the documented output."""

import doctest
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

DOC = Path(__file__).resolve().parents[1] / "doc"
BUILT = {"auto_examples", "generated", "backreferences", "_templates"}  # written by Sphinx
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
OPTIONAL = {
    "user_guide/saving.rst": ["skops.io", "mlflow.sklearn", "skl2onnx", "onnxruntime", "torch"]
}
PAGES = {
    page.relative_to(DOC).as_posix(): page.read_text("utf-8")
    for page in sorted(DOC.rglob("*.rst"))
    if not BUILT & set(page.relative_to(DOC).parts)
}


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
