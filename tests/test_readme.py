"""Code of the README must run unchanged."""

import re
import runpy
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks(language):
    """Return the code blocks in a language."""
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("error")
def test_python_blocks_of_the_readme_print_what_it_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with threadpool_limits(1, "blas"):  # waiting threads on a busy core would double the time
        for code, shown in zip(blocks("python"), blocks("text"), strict=True):
            exec(compile(code, str(README), "exec"), {"__name__": "readme"})
            assert capsys.readouterr().out == shown


def test_codes_beat_pixels_in_the_readme():
    pixels, codes = (float(number) for number in re.findall(r": +([0-9.]+)%", blocks("text")[0]))
    assert codes > pixels + 1


def test_links_of_the_readme_lead_somewhere():
    targets = re.findall(r"(?<!!)\[[^]]*\]\(([^)#]+)", README.read_text("utf-8"))
    local = [target for target in targets if "://" not in target]
    made_later = {"benchmarks/results/README.md"}  # created by a full run of `make bench`
    missing = [t for t in local if t not in made_later and not (README.parent / t).exists()]
    assert local
    assert missing == []


def test_links_of_an_index_page_are_absolute(monkeypatch):
    """`setup.py` makes them so; an index page has no other files of the repository."""
    pytest.importorskip("setuptools")  # Python 3.12 and later do not install it
    given = {}
    monkeypatch.setattr("setuptools.setup", lambda **options: given.update(options))
    runpy.run_path(README.parent / "setup.py")
    links = re.findall(r"\]\(([^)]*)\)", given["long_description"])
    assert len(links) > 4
    assert [link for link in links if not link.startswith("https://")] == []
