"""The leaderboard page: one HTML file, without network, the same bytes for the same store."""

import base64
import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

from benchkit.report.core.results import SuiteTables
from benchkit.report.paper import published_values
from benchkit.report.site import payload
from benchkit.report.site.example_cases import CaseInputLookup
from benchkit.runs.store import Store

PAGE_NAME = "index.html"
_SCRIPTS = (
    "state", "parts", "frame", "view", "overview", "controls", "table", "panel", "compare", "page",
)  # fmt: skip
_ESCAPED = str.maketrans(
    {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"}
)


def render_page(
    results: SuiteTables,
    store: Store,
    *,
    folder: Path = published_values.PUBLISHED_FOLDER,
    questions: CaseInputLookup | None = None,
) -> str:
    """Return the page of a suite as HTML.

    Args:
        folder: Published figures that the suite names, for comparison.
        questions: Looks up the inputs of example cases; without it, only items in judges' records
            have titles.
    """
    figures = published_values.read_published_values(folder, results.plan.published)
    return assemble_page(payload.build_payload(results, store, figures, questions))


def assemble_page(blocks: payload.Blocks) -> str:
    """Return the HTML for a payload (`payload.build_payload`)."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("benchkit.report.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script, early = _asset("style.css"), _script(), _asset("js/theme.js")
    return environment.get_template("index.html.j2").render(
        index=blocks["index"],
        style=Markup(style),  # noqa: S704 - files of this package
        script=Markup(script),  # noqa: S704
        early=Markup(early),  # noqa: S704
        hashes={"style": [csp_hash(style)], "script": [csp_hash(early), csp_hash(script)]},
        # json_text leaves nothing that HTML would interpret
        blocks={name: Markup(script_json(value)) for name, value in blocks.items()},  # noqa: S704
    )


def script_json(value: Any) -> str:
    """Return `value` as JSON for a script element; no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Lone surrogates are valid in JSON escapes but not in UTF-8.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.translate(_ESCAPED)


def csp_hash(text: str) -> str:
    """Return the hash with which a Content-Security-Policy allows an inline element."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script() -> str:
    return '"use strict";\n(() => {\n' + "".join(_asset(f"js/{n}.js") for n in _SCRIPTS) + "})();\n"


def _asset(name: str) -> str:
    file = resources.files("benchkit.report.site") / name
    return file.read_text(encoding="utf-8")
