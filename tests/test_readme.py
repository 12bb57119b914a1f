"""The README is one page, and what it shows is what was generated."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def table_rows(text: str) -> dict[str, list[float]]:
    """Method -> the means of a Markdown table's row."""
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    return {
        name.strip(): [float(cell.strip(" *").split(" ")[0]) for cell in cells[1:5]]
        for name, *cells in lines[2:]
    }


def test_the_table_is_that_of_the_leaderboard():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("<!-- table: quickstart scored -->")[1].split("<!-- /table -->")[0]
    generated = (ROOT / "leaderboards" / "quickstart" / "table.md").read_text(encoding="utf-8")
    ours, theirs = table_rows(shown), table_rows(generated.split("\n\n")[1])
    if ours != theirs and is_changed_here("leaderboards/quickstart"):
        pytest.skip("made anew here: another processor rounds otherwise, which training magnifies")
    assert ours == theirs


def is_changed_here(folder: str) -> bool:
    """Whether files of a folder differ from those that were committed."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return False
    command = ["git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", folder]
    return subprocess.run(command, check=False).returncode == 1


def test_it_is_one_page_with_a_picture():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 130
    (picture,) = re.findall(r"!\[[^]]+\]\(([^)]+)\)", readme)
    assert (ROOT / picture).is_file()


def test_every_page_of_the_documentation_is_linked_to():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f"]({page})" not in readme] == []


def test_every_shipped_suite_is_on_the_page_of_suites():
    from benchkit.config.suite import list_shipped_suites

    page = (ROOT / "docs" / "howto" / "public-data.md").read_text(encoding="utf-8")
    table = page.split("| suite | data |")[1].split("\n\n")[0]
    assert [name for name in list_shipped_suites() if f"`{name}`" not in table] == []
