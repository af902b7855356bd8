"""Data sets are read from the given folder, the cache or OpenML; errors suggest a remedy."""

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ebm.datasets import _fetch, fetch_mnist

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, named by SKLEARN_EBM_DATA."""
    folder = tmp_path / "named"
    folder.mkdir()
    monkeypatch.setenv("SKLEARN_EBM_DATA", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path):
    """scikit-learn's data home with our folder."""
    (tmp_path / "home" / "sklearn_ebm").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def asked(monkeypatch):
    """Requests to OpenML; in the answer, the first pixel of an image is its digit."""
    calls = []

    def answer(name, **options):
        calls.append((name, options))
        data = np.zeros((70_000, 784), np.float32)
        data[:, 0] = np.arange(70_000) % 251
        return data, (np.arange(70_000) % 10).astype(str)

    monkeypatch.setattr(_fetch, "fetch_openml", answer)
    return calls


@pytest.fixture
def offline(monkeypatch):
    def refuse(name, **options):
        raise ConnectionResetError("no route")

    monkeypatch.setattr(_fetch, "fetch_openml", refuse)


def save_digits(path, level):
    """Write a file with MNIST's arrays of a single grey level."""
    np.savez(
        path,
        X_train=np.full((60_000, 28, 28), level, np.uint8),
        y_train=np.zeros(60_000, np.uint8),
        X_test=np.full((10_000, 28, 28), level + 1, np.uint8),
        y_test=np.ones(10_000, np.uint8),
    )


def test_the_named_folder_comes_before_the_cache_and_the_cache_before_openml(folder, cache, asked):
    assert fetch_mnist(data_home=cache).data[1, 0] == 1  # from OpenML
    save_digits(cache / "sklearn_ebm" / "mnist.npz", 50)
    assert fetch_mnist(data_home=cache).data[1, 0] == 50
    save_digits(folder / "mnist.npz", 90)
    assert fetch_mnist(data_home=cache).data[1, 0] == 90
    assert len(asked) == 1


def test_training_digits_come_first_and_the_splits_are_views(folder, cache):
    save_digits(folder / "mnist.npz", 7)
    mnist = fetch_mnist(data_home=cache)
    assert mnist.data.shape == (70_000, 784)
    assert mnist.data.dtype == mnist.target.dtype == np.uint8
    assert mnist.X_train.shape == (60_000, 784)
    assert np.all(mnist.X_train == 7)
    assert np.all(mnist.X_test == 8)
    assert_array_equal(mnist.target, np.repeat([0, 1], [60_000, 10_000]))
    assert np.shares_memory(mnist.X_test, mnist.data)
    assert np.shares_memory(mnist.y_train, mnist.target)
    data, target = fetch_mnist(data_home=cache, return_X_y=True)
    assert np.array_equal(data, mnist.data)
    assert_array_equal(target, mnist.target)


def test_a_download_is_kept_and_read_as_it_came(cache, asked, monkeypatch):
    monkeypatch.delenv("SKLEARN_EBM_DATA", raising=False)
    first, second = fetch_mnist(data_home=cache), fetch_mnist(data_home=cache)
    assert [name for name, _ in asked] == ["mnist_784"]
    assert_array_equal(first.data[:, 0], np.arange(70_000) % 251)
    assert_array_equal(first.target, np.arange(70_000) % 10)
    assert np.array_equal(second.data, first.data)
    assert_array_equal(second.target, first.target)
    assert [path.name for path in (cache / "sklearn_ebm").iterdir()] == ["mnist.npz"]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("failure", [OSError("no space"), KeyboardInterrupt()], ids=repr)
def test_a_download_that_cannot_be_kept_leaves_no_file(cache, monkeypatch, failure):
    monkeypatch.delenv("SKLEARN_EBM_DATA", raising=False)

    def fail(file, **arrays):
        file.write(b"PK")
        raise failure

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(type(failure)):
        fetch_mnist(data_home=cache)
    assert list((cache / "sklearn_ebm").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="this system has no umask")
def test_a_file_is_for_those_whom_the_umask_lets_read_it(tmp_path):
    former = os.umask(0o027)
    try:
        _fetch._write_whole(tmp_path / "new" / "images.npz", {"images": IMAGES})
    finally:
        os.umask(former)
    assert (tmp_path / "new" / "images.npz").stat().st_mode & 0o777 == 0o640


def test_two_downloads_at_once_write_two_files(tmp_path, monkeypatch):
    """The second download starts and ends while the first one is written."""
    path, write = tmp_path / "images.npz", np.savez_compressed

    def write_slowly(file, images):
        monkeypatch.setattr(np, "savez_compressed", write)
        file.write(b"PK")
        file.flush()
        _fetch._write_whole(path, {"images": images + 1})
        assert_array_equal(np.load(path)["images"], IMAGES + 1)
        file.seek(0)
        write(file, images=images)

    monkeypatch.setattr(np, "savez_compressed", write_slowly)
    _fetch._write_whole(path, {"images": IMAGES})
    assert_array_equal(np.load(path)["images"], IMAGES)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("offline")
def test_offline_the_error_names_the_variable_the_folder_and_the_file(folder, cache):
    with pytest.raises(OSError, match="SKLEARN_EBM_DATA") as caught:
        fetch_mnist(data_home=cache)
    message = str(caught.value)
    assert str(folder / "mnist.npz") in message
    assert str(cache / "sklearn_ebm" / "mnist.npz") in message
    assert "no route" in message
    assert isinstance(caught.value.__cause__, ConnectionResetError)


def test_nothing_is_downloaded_if_download_if_missing_is_false(cache, asked, monkeypatch):
    monkeypatch.delenv("SKLEARN_EBM_DATA", raising=False)
    with pytest.raises(OSError, match=r"SKLEARN_EBM_DATA, .* is not set. Data not found and `down"):
        fetch_mnist(data_home=cache, download_if_missing=False)
    assert asked == []


def test_the_error_for_missing_arrays_names_the_file_and_its_arrays(folder, cache):
    np.savez(folder / "mnist.npz", pictures=IMAGES)
    with pytest.raises(
        ValueError, match=r"mnist\.npz must contain the arrays \['X_train', .*\], got .*pict"
    ):
        fetch_mnist(data_home=cache)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_named(folder, cache, share):
    path = folder / "mnist.npz"
    np.savez(path, X_train=IMAGES, X_test=IMAGES, y_train=IMAGES, y_test=IMAGES)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"mnist\.npz is damaged .* Delete the file"):
        fetch_mnist(data_home=cache)


@pytest.mark.slow
def test_the_real_files_are_what_the_documentation_says(data_home):
    if not (data_home / "mnist.npz").is_file():
        pytest.skip(f"{data_home} has no mnist.npz")
    mnist = fetch_mnist()
    assert_array_equal(mnist.y_train[:5], [5, 0, 4, 1, 9])  # the order of LeCun's files
    assert_array_equal(mnist.y_test[:5], [7, 2, 1, 0, 4])
    assert mnist.X_train.shape == (60_000, 784)
