"""Code of the README must run unchanged."""

import re
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

README = Path(__file__).resolve().parents[1] / "README.md"


def python_blocks():
    return re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("error")
def test_python_blocks_of_the_readme_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    with threadpool_limits(1, "blas"):  # waiting threads on a busy core would double the time
        for block in python_blocks():
            exec(compile(block, str(README), "exec"), names)
    assert "psd__alpha" in capsys.readouterr().out
    # Chance is 0.1; raw pixels reach 0.96, and features must not be worse.
    assert names["search"].best_score_ > 0.95


def test_links_of_the_readme_lead_somewhere():
    targets = re.findall(r"(?<!!)\[[^]]*\]\(([^)#]+)", README.read_text("utf-8"))
    local = [target for target in targets if "://" not in target]
    made_later = {"benchmarks/results/README.md"}  # created by a full run of `make bench`
    missing = [t for t in local if t not in made_later and not (README.parent / t).exists()]
    assert local
    assert missing == []
