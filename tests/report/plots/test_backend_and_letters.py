"""Plots wherever benchkit runs, and of names in any script."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from benchkit.report.plots.text_fitting import sanitize
from tests.support.command_line import invoked

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from matplotlib.text import Text

ROOT = Path(__file__).parents[3]
SUITE = """
title = "{title}"
protocols = ["scored"]
[[datasets]]
name = "toy"
source = "toy"
options = {{ users = 40, items = 60 }}
candidates = {{ count = 10 }}
[[methods]]
method = "popularity"
label = "{label}"
[[methods]]
method = "random"
"""
# The first to load matplotlib is what measures texts, as in a run.
DRAW = """
import os, sys
from pathlib import Path
from benchkit.report.plots.style import save_figure
from benchkit.report.plots.text_fitting import shorten_names
print(shorten_names(["abc"]))
save_figure(Path("drawn"), 2, lambda figure: figure.subplots().plot([1, 2]))
import matplotlib
assert os.environ.get("MPLBACKEND") == (sys.argv[1] or None), os.environ.get("MPLBACKEND")
print(dict.get(matplotlib.rcParams, "backend"))
"""
BACKENDS = ["module://matplotlib_inline.backend_inline", "module://a.b", "inline", "TkAgg", "agg"]


def draw(folder, backend):
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"MPLBACKEND": backend} if backend else {})
    done = subprocess.run(
        [sys.executable, "-c", DRAW, backend],
        env=environment, cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    drawn = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return drawn, done.stdout.splitlines()[-1]


def test_a_notebooks_backend_changes_no_file_and_stays_where_it_is_known(tmp_path):
    expected, _ = draw(tmp_path / "none", "")
    assert sorted(expected) == ["drawn.png", "drawn.svg"]
    for place, backend in enumerate(BACKENDS):
        drawn, chosen = draw(tmp_path / str(place), backend)
        assert drawn == expected, backend
        if backend in ("TkAgg", "agg", "module://a.b"):  # inline is not installed everywhere
            assert chosen.lower() == backend.lower()


@pytest.mark.parametrize(
    ("title", "label", "codes"),
    [
        ("电影", "流行度", ["\\u6d41\\u884c\\u5ea6", "\\u7535\\u5f71"]),  # Chinese
        ("映画", "人気カタログ", ["\\u4eba\\u6c17…", "\\u30ed\\u30b0"]),  # Japanese
        ("영화", "인기", ["\\uc778\\uae30"]),  # Korean
        ("Films 🎬", "pop 🔥🦄", ["\\U0001f525", "\\U0001f984"]),
        ("Фильмы", "популярность", []),  # Cyrillic, which the font has
        ("Filme", "Beliebtheit é ß", []),
    ],
)
def test_letters_that_the_font_lacks_are_codes_and_the_plot_says_so(
    tmp_path, monkeypatch, title, label, codes
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(SUITE.format(title=title, label=label), encoding="utf-8")
    figures = []
    save = Figure.savefig

    def spy(figure, file, **settings):
        figures.append([text.get_text() for text in figure.findobj(Text)])
        save(figure, file, **settings)

    monkeypatch.setattr(Figure, "savefig", spy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of every letter that it cannot draw
        invoked("run", "--suite", "mine.toml")
    assert figures
    for texts in figures:
        stated = any("is the Unicode code of a letter that the font" in text for text in texts)
        assert stated == bool(codes)
    everything = "".join(text.replace("\n", "") for texts in figures for text in texts)
    assert all(code in everything for code in codes)
    assert label in invoked("report", "--suite", "mine", "--format", "md").output


def test_a_name_that_looks_like_a_code_is_another_name():
    assert sanitize("推") == "\\u63a8"
    assert sanitize("\\u63a8") == "\\u005cu63a8"
    assert sanitize("🔥") == "\\U0001f525" != sanitize("\u1f525")
    assert sanitize("a\\b") == "a\\b"
