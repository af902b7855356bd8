"""Temporary folders: disk space is allocated for their arrays, and all folders are removed."""

import errno
import os
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from joblib.memory import CacheWarning
from numpy.testing import assert_array_equal

from sklearn_ebm.learning import _scratch, _stages
from sklearn_ebm.learning._scratch import LOCK, PREFIX, ScratchFolder
from tests.estimators.tuning import X, Y, psd, tuned_classifier

resource = pytest.importorskip("resource", reason="this system has no limits for files")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
quietly = pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning", "ignore:Maximum number of iterations", "ignore:lbfgs"
)
pytestmark = [forks, quietly]


@pytest.fixture(autouse=True)
def parent(tmp_path, monkeypatch):
    """Set the temporary directory."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(params=[True, False], ids=["fallocate", "zeros"])
def _way_to_reserve(request, monkeypatch):
    if not request.param:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)


def in_child(work):
    """Return number and folder of a forked child that does the work and waits for a signal."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            folder = work()
            os.write(writing, str(folder.path).encode())
            signal.pause()
        finally:
            os._exit(1)
    path = Path(os.read(reading, 1000).decode())
    os.close(reading), os.close(writing)
    return child, path


def new_folder():
    folder = ScratchFolder()
    folder.new_array((10,), float)
    return folder


def end(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.usefixtures("_way_to_reserve")
def test_the_disk_has_room_for_all_of_an_array(parent):
    with ScratchFolder() as folder:
        array = folder.new_array((1000, 3), np.float32)
        size = os.stat(array.filename)
        assert size.st_blocks * 512 >= array.nbytes
        assert_array_equal(array, np.zeros((1000, 3), np.float32))
        array[...] = 1
        assert Path(array.filename).parent.parent == parent
    assert list(parent.iterdir()) == []


@pytest.mark.usefixtures("_way_to_reserve")
def test_a_full_disk_is_an_os_error_and_leaves_nothing(parent):
    """A child sets the limit of file sizes, which would also apply to the output of pytest."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
            with ScratchFolder() as folder:
                folder.new_array((10_000,), np.float32)
        except OSError as error:
            if error.errno == errno.EFBIG and "0 MB are required" in str(error):
                os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert list(parent.iterdir()) == []


def full(*args, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_stage_that_does_not_fit_on_the_disk_raises_an_os_error(parent, monkeypatch):
    monkeypatch.setattr(_stages, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(_scratch, "_reserve", full)
    with pytest.raises(OSError, match="TMPDIR"):
        tuned_classifier(psd(), psd(), max_iter=0).fit(X, Y)
    assert list(parent.iterdir()) == []


def test_a_memory_that_cannot_store_a_stage_is_an_os_error(parent, monkeypatch):
    classifier = tuned_classifier(psd(), psd(), max_iter=0)
    classifier.estimator.memory = str(parent)
    monkeypatch.setattr("joblib.numpy_pickle.dump", full)
    with (
        pytest.warns(CacheWarning, match="No space left"),
        pytest.raises(OSError, match="memory of the pipeline"),
    ):
        classifier.fit(X, Y)


def test_small_outputs_need_no_folder(parent, monkeypatch):
    monkeypatch.setattr(ScratchFolder, "new_array", None)
    tuned_classifier(psd(), psd(), max_iter=0).fit(X, Y)
    assert list(parent.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed_by_the_next_one(parent):
    (killed, orphan), (living, used) = in_child(new_folder), in_child(new_folder)
    end(killed)
    assert orphan.is_dir()
    with ScratchFolder():
        assert set(parent.iterdir()) == {used}
    end(living)
    _scratch.remove_orphans()
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize(
    "content", [{}, {LOCK: ""}, {LOCK: "another host\n1\n"}, {"array.npy": "", f"{LOCK}.new": ""}]
)
def test_a_folder_without_the_lock_of_a_process_here_is_kept(parent, content):
    folder = parent / f"{PREFIX}of_others"
    folder.mkdir()
    for name, text in content.items():
        (folder / name).write_text(text)
    _scratch.remove_orphans()
    assert {path.name for path in folder.iterdir()} == set(content)


def test_a_folder_of_another_user_is_kept(parent, monkeypatch):
    child, folder = in_child(new_folder)
    end(child)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    _scratch.remove_orphans()
    assert folder.is_dir()


def test_a_forked_child_leaves_the_folder_of_its_parent():
    with ScratchFolder() as folder:
        array = folder.new_array((10,), float)
        child = os.fork()
        if child == 0:
            try:
                folder.remove()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert Path(array.filename).is_file()
        _scratch.remove_orphans()  # the end of the child has not released the lock
        assert Path(array.filename).is_file()


def test_a_folder_is_removed_at_exit_if_ctrl_c_interrupts_its_removal(parent):
    """The second interrupt occurs while the folder is removed."""
    child = os.fork()
    if child == 0:
        try:
            _interrupted_twice()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert list(parent.iterdir()) == []


def _interrupted_twice():
    import atexit
    import shutil

    whole = shutil.rmtree

    def interrupted(*args, **options):
        shutil.rmtree = whole
        raise KeyboardInterrupt

    atexit._clear()
    folder = new_folder()
    shutil.rmtree = interrupted
    with pytest.raises(KeyboardInterrupt), folder:
        raise KeyboardInterrupt
    assert folder.path.is_dir()
    atexit._run_exitfuncs()
