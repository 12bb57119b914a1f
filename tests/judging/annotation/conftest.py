"""Fixtures of tests of annotation: a batch that was handed out, and its pages in a browser."""

import pytest

from benchkit.judging.annotation.batch import make_batch
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.rubric import load_rubric
from tests.support.annotation_browser import make_page
from tests.support.annotation_exports import GRADED_RUNS
from tests.support.annotation_store import NASTY, make_store

LONG = "word " * 60 + "a-word-that-goes-on" * 12


@pytest.fixture(scope="module", params=["rationale-0-3"])
def folder(tmp_path_factory, request):
    """A batch by a rubric of one criterion, annotated by two."""
    root = tmp_path_factory.mktemp("labels")
    make_store(root / "runs", GRADED_RUNS, rubric=load_rubric(request.param))
    make_batch(collect_population(find_judgements([root / "runs"], "plum")), 24, 2, 0.5).write(
        root / "out"
    )
    return root / "out"


@pytest.fixture
def key(folder):
    return read_key(folder / "key.json")


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Four answers, four criteria from 1 to 5."""
    return make_page(tmp_path_factory.mktemp("page"), load_rubric("rationale-quality"), LONG)


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """Four answers, one criterion from 0 to 3, the target shown, texts that want to get out."""
    return make_page(tmp_path_factory.mktemp("nasty"), load_rubric("rationale-0-3"), NASTY)


@pytest.fixture
def visit(browser, batch):
    """Opens a page; afterwards nothing was asked for and nothing went wrong."""
    contexts, wrong, requests, urls = [], [], [], set()

    def open_page(url=batch[1], width=1280, height=900, context=None, script="", **options):
        if context is None:
            size = {"width": width, "height": height}
            context = browser.new_context(viewport=size, accept_downloads=True, **options)
            contexts.append(context)
        page = context.new_page()
        if script:
            page.add_init_script(script)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        urls.add(url)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
    addresses = {url.partition("#")[0] for url in requests if url[:5] not in ("data:", "blob:")}
    assert addresses == urls
