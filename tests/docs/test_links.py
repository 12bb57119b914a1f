"""Links within the documentation lead somewhere."""

import os.path
import re
from pathlib import Path

import pytest

from docs.generator.markdown import anchor
from docs.generator.outside import OUTSIDE, fill_tables, rewrite_links
from docs.generator.pages import generate_pages
from tests.support.doc_blocks import PAGES, ROOT

LINK = re.compile(r"\]\((?![a-z]+:)([^)\s]+)\)")
GENERATED = generate_pages()
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES} | {
    f"docs/{path}": text for path, text in GENERATED.items()
}


def anchors(text):
    """Return the anchors of a page: headings, and what mkdocstrings adds."""
    names = set()
    for title in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE):
        explicit = re.search(r"\{ #(\S+) \}", title)
        plain = re.sub(r"[`*\\]", "", title)
        names.add(
            explicit[1]
            if explicit
            else re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain.lower())).strip("-")
        )
    return names | set(re.findall(r"^::: (\S+)$", text, flags=re.MULTILINE))


def target_of(page, target):
    """Return the file of the repository that a link of a page leads to, and the anchor."""
    path, _, name = target.partition("#")
    file = os.path.normpath(Path(page).parent / path) if path else page
    return file, name


def without_code(text):
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page):
    wrong = []
    for target in LINK.findall(without_code(TEXTS[page])):
        file, name = target_of(page, target)
        is_page = file in TEXTS
        if not (is_page or (ROOT / file).exists()) or (
            name and is_page and name not in anchors(TEXTS[file])
        ):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("page", [page for page in TEXTS if page.startswith("docs/")])
def test_what_a_page_links_to_is_on_the_site(page):
    for target in LINK.findall(without_code(TEXTS[page])):
        file, _ = target_of(page, target)
        assert file.startswith("docs/") or file in OUTSIDE, target


def test_links_to_files_outside_lead_to_their_copies():
    text = "[a](../../CONTRIBUTING.md#a-method) [b](../threat-model.md) [c](https://x.org/y.md)"
    assert rewrite_links(text, "docs/howto/x.md", "howto/x.md") == (
        "[a](../contributing.md#a-method) [b](../threat-model.md) [c](https://x.org/y.md)"
    )
    moved = rewrite_links("[t](docs/threat-model.md)", "CHANGELOG.md", "changelog.md")
    assert moved == "[t](threat-model.md)"


def test_the_table_of_the_quickstart_is_the_generated_one():
    mark = "<!-- table: quickstart scored -->"
    page = (ROOT / "docs/concepts/numbers.md").read_text(encoding="utf-8")
    assert mark in page
    assert "| popularity | control |" in fill_tables(page)
    assert all((ROOT / source).is_file() for source in OUTSIDE)


def test_anchors():
    assert anchor("recbole/GRU4Rec") == "recbole-gru4rec"
    assert anchor("chat-rec+cf") == "chat-rec-plus-cf"
