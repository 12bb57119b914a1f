"""Visits to pages in a browser, for tests: nothing may be asked of a network, or go wrong."""

from contextlib import contextmanager


@contextmanager
def visits(browser, url, task=""):
    """Opens the page at a hash and a size; checks afterwards what the pages asked for and said.

    task: which one is opened where a hash names neither a task nor a view; "" is the overview.
    """
    contexts, wrong, asked = [], [], []

    def opened(fragment="", width=1280, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        if task and "task=" not in fragment and "view=" not in fragment:
            fragment = f"#task={task}&{fragment.removeprefix('#')}".removesuffix("&")
        page.goto(url + fragment)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
    assert {address.partition("#")[0] for address in asked if address[:5] != "data:"} <= {url}


def address(page):
    """What the address bar says now; `page.url` is told of a changed hash only later."""
    return page.evaluate("location.href")
