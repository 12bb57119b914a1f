"""The page of an annotator: one HTML file that needs no network and holds nothing but its items."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from benchkit.judging.rubric import Criterion, Rubric

_SCRIPTS = ("keys", "state", "csv", "parts", "view", "annotate")


def render_annotation_page(
    batch: str,
    annotator: str,
    rubric: Rubric,
    items: Sequence[Mapping[str, Any]],
    *,
    pairs: bool = False,
) -> str:
    """Return the HTML of one annotator's page.

    Of the rubric the page holds the title and the criteria.

    Args:
        batch: Hash of the batch.
        annotator: Name of the annotator.
        rubric: What to grade by.
        items: In their order, each with id, history (lines, oldest first), title, rationale and,
            where the rubric shows it, target.
        pairs: Whether each item is two answers: id, history, and two sides with title and
            rationale.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("benchkit.judging.annotation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = _asset("style.css")
    script = (
        '"use strict";\n(() => {\n' + "".join(_asset(f"js/{n}.js") for n in _SCRIPTS) + "})();\n"
    )
    data = {
        "batch": batch,
        "annotator": annotator,
        "title": rubric.title,
        "target": rubric.shows_target,
        "pairs": pairs,
        "criteria": [_criterion(criterion) for criterion in rubric.criteria],
        "items": list(items),
    }
    return environment.get_template("page.html.j2").render(
        data=data,
        style=Markup(style),  # noqa: S704 - files of this package
        script=Markup(script),  # noqa: S704
        hashes={"style": _digest(style), "script": _digest(script)},
    )


def _criterion(criterion: Criterion) -> dict[str, Any]:
    """Return a criterion with the key of each grade: the digit, else its position, else none."""
    grades = list(criterion.grades)
    if criterion.low >= 0 and criterion.high <= 9:
        keys = [str(grade) for grade in grades]
    elif len(grades) <= 10:
        keys = [str(position % 10) for position in range(1, len(grades) + 1)]
    else:
        keys = [""] * len(grades)
    return {
        "name": criterion.name,
        "description": criterion.description,
        "grades": [
            {"grade": grade, "key": key, "level": criterion.levels.get(grade, "")}
            for grade, key in zip(grades, keys, strict=True)
        ],
    }


def _digest(text: str) -> str:
    """Return the hash by which a Content-Security-Policy allows an inline element."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    file = resources.files("benchkit.judging.annotation") / name
    return file.read_text(encoding="utf-8")
