"""Files outside of docs/ that the site has copies of, and the links that lead to them."""

import os.path
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "recipes/README.md": "recipes.md",
    "leaderboards/published/README.md": "published.md",
    "leaderboards/quickstart/plots/metric-ml-100k-scored.svg": "images/quickstart.svg",
}
"""File of the repository -> where the site has it."""

_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?\)")
_TABLE = re.compile(r"<!-- table: quickstart scored -->.*?<!-- /table -->", re.DOTALL)


def rewrite_links(text: str, source: str, path: str) -> str:
    """Return Markdown whose relative links suit the site.

    Args:
        text: The Markdown.
        source: Its file in the repository.
        path: Its place on the site, below docs/.
    """

    def rewrite(match: re.Match[str]) -> str:
        target = match[2]
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        file = os.path.normpath(os.path.join(os.path.dirname(source), target))  # noqa: PTH118, PTH120
        if file in OUTSIDE:
            place = OUTSIDE[file]
        elif file.startswith("docs/"):
            place = file.removeprefix("docs/")
        else:
            return match[0]
        folder = os.path.dirname(path) or "."  # noqa: PTH120
        return f"{match[1]}{os.path.relpath(place, folder)}{match[3] or ''})"

    return _LINK.sub(rewrite, text)


def fill_tables(text: str) -> str:
    """Return Markdown with the table of the quickstart between its marks, as it was generated."""
    generated = (ROOT / "leaderboards/quickstart/table.md").read_text(encoding="utf-8")
    table = generated.split("\n\n")[1]
    return _TABLE.sub(
        f"<!-- table: quickstart scored -->\n\n{table}\n\n<!-- /table -->".replace("\\", r"\\"),
        text,
    )
