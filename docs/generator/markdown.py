"""Markdown of the reference pages."""

import re
from collections.abc import Iterable, Sequence

from benchkit.config.setting_texts import REQUIRED, Setting


def anchor(name: str) -> str:
    """Return the anchor of a name: `recbole/GRU4Rec` is "recbole-gru4rec"."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower().replace("+", "-plus-")).strip("-")


def heading(level: int, title: str, name: str = "") -> str:
    """Return a heading with an anchor that does not depend on the other headings."""
    return f"{'#' * level} {title} {{ #{anchor(name or title)} }}"


def prose(text: str) -> str:
    """Return a text of the code in one line: what looks like HTML outside of code is quoted."""
    parts = re.split(r"(`+[^`]*`+)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else part.replace("<", "&lt;").replace("*", "\\*")
        for part in parts
    )


def sentence(text: str) -> str:
    """Return a text of the code as a sentence: most are, comments are not."""
    line = prose(text)
    if line and line[-1] not in ".!?:":
        line += "."
    return line[:1].upper() + line[1:]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are Markdown of one line."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def settings_table(settings: Iterable[Setting]) -> str:
    """Return a table of settings."""
    return table(
        ("setting", "type", "default", "what it does"),
        [
            (
                f"`{setting.name}`",
                setting.type,
                f"**{REQUIRED}**" if setting.default == REQUIRED else setting.default,
                sentence(setting.text),
            )
            for setting in settings
        ],
    )


def page(*blocks: str) -> str:
    """Return a page of blocks, empty ones left out."""
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"
