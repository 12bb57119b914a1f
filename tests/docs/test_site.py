"""The built site: no warnings, nothing from elsewhere, and readable in a browser."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import benchkit

pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SEEN = ["index", "concepts/numbers", "tutorials/own-data", "reference/suite", "reference/python"]
LOADED = re.compile(r"""(?:src|href)=["']?(https?:)?//|url\(["']?(https?:)?//|@import""")
MOST_SECONDS = 120


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site; a warning of mkdocs fails the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    build = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=MOST_SECONDS,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert build.returncode == 0, build.stderr
    assert "WARNING" not in build.stderr
    return folder


def test_every_page_of_the_navigation_is_built(site):
    pages = re.findall(r"(?:- |: )([\w/-]+)\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert len(pages) > 35
    assert [page for page in pages if not (site / f"{page}.html").is_file()] == []


def test_every_public_name_has_a_place(site):
    html = (site / "reference" / "python.html").read_text(encoding="utf-8")
    names = set(benchkit.__all__) - {"__version__"}
    assert [name for name in names if f'id="benchkit.{name}"' not in html] == []


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = [
        f"{path.relative_to(site)}: {match[0]}"
        for path in site.rglob("*")
        if path.suffix in {".html", ".css"}
        for match in LOADED.finditer(path.read_text(encoding="utf-8"))
        if "<a " not in path.read_text(encoding="utf-8")[max(0, match.start() - 40) : match.start()]
    ]
    assert loaded == []
    assert not list(site.rglob("*.map"))


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_open_from_the_disk_and_fit(site, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    messages, addresses = [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: addresses.append(request.url))
    for name in SEEN:
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)"), name
    context.close()
    assert messages == []
    assert {address.partition(":")[0] for address in addresses} <= {"file", "data", "blob"}


def test_the_search_works_from_the_disk(site, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "index.html").as_uri())
    page.click(".md-search__input")
    page.keyboard.type("Slurm")
    page.wait_for_selector(".md-search-result__item a")
    results = page.inner_text(".md-search-result__list")
    page.close()
    assert "Run on several machines" in results
