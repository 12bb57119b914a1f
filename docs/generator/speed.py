"""The page of measured speed: benchkit beside other ways, and what evaluation costs at scale.

Every figure is read from a file that a script of tests/benchmarks (`make bench`) or tests/scripts
wrote, where both ways ran on one machine, one after the other.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.generator.markdown import page, table

FOLDER = Path(__file__).parents[2] / "leaderboards" / "benchmarks"
PATH = "reference/speed.md"


@dataclass(frozen=True)
class Comparison:
    """Times of another way over benchkit's, of one file."""

    what: str
    peer: str
    file: str
    ratios: Callable[[Any], list[float]]
    """From what the file holds."""
    least: float
    """Below which a ratio counts as a fault."""


def _language_models(what: str) -> Callable[[Any], list[float]]:
    return lambda rows: [row["ratio"] for row in rows if row["what"] == what]


def _preference(name: str) -> Callable[[Any], list[float]]:
    return lambda rows: [row["ratios"][name] for row in rows]


def _served(route: str) -> Callable[[Any], list[float]]:
    return lambda found: [row["speedup"] for row in found["rows"] if row["route"] == route]


def _grpo(asks_search: bool) -> Callable[[Any], list[float]]:
    return lambda found: [
        row["trl_over_own"]
        for name, row in found["rows"].items()
        if name.endswith("/query") == asks_search
    ]


COMPARISONS = (
    Comparison(
        "score 30 titles after one prompt", "each title with the prompt, transformers",
        "language_models.json", _language_models("scoring"), 18,
    ),
    Comparison(
        "sample 5 answers to one prompt", "transformers' `num_return_sequences`",
        "language_models.json", _language_models("sampling"), 2.4,
    ),
    Comparison(
        "score 30 titles after one prompt in vLLM", "each title with the prompt, vLLM",
        "served_scoring.json", _served("in process"), 8,
    ),
    Comparison(
        "score 30 titles after one prompt by `vllm serve`", "each title with the prompt, vLLM",
        "served_scoring.json", _served("served, scale-out"), 8,
    ),
    Comparison(
        "train preferences on a long prompt", "both answers with the prompt, own loop",
        "preference.json", _preference("concatenated / shared"), 2.7,
    ),
    Comparison(
        "train preferences on a long prompt", "TRL's DPO", "preference.json",
        _preference("trl / shared, cached"), 7,
    ),
    Comparison(
        "a step of GRPO and its kin", "TRL's GRPO", "grpo.json", _grpo(asks_search=False), 2,
    ),
    Comparison(
        "a step of Rec-R1 that asks a search engine", "TRL's GRPO", "grpo.json",
        _grpo(asks_search=True), 1,
    ),
    Comparison(
        "train SASRec on MovieLens 100K (processor time)", "RecTools", "sasrec_family.json",
        lambda found: [found["rectools / benchkit"]["cpu_time_ratio"]], 4,
    ),
    Comparison(
        "train SASRec on MovieLens 100K (processor time)", "RecBole", "sasrec_family.json",
        lambda found: [found["recbole / benchkit"]["cpu_time_ratio"]], 4,
    ),
    Comparison(
        "embed the texts of C-APO's calibrator", "MiniLM in float32", "encoder.json",
        lambda found: [found["ratio"]], 2.5,
    ),
    Comparison(
        "metrics of 100,000 users x 30 candidates", "ranx (means alone)", "evaluation.json",
        lambda found: [found["beside ranx, 100,000 x 30"]["ratio"]], 5,
    ),
)  # fmt: skip


def read(name: str) -> Any:
    """Return what a file of leaderboards/benchmarks holds."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def write_speed() -> dict[str, str]:
    """Return the page, path -> Markdown."""
    rows = [
        (c.what, c.peer, _range(c.ratios(read(c.file))), f"{c.least:g}", f"`{c.file}`")
        for c in COMPARISONS
    ]
    return {
        PATH: page(
            "# Speed {#speed}",
            "Times of another way over benchkit's, both in one run of a script on one machine;"
            " several figures are several models or methods. `make bench` measures them again, with"
            " RECTOOLS_PYTHON=PATH for RecTools; those of vLLM are from the script"
            " `tests/scripts/served_scoring.py`."
            " A test fails if a file of `leaderboards/benchmarks` holds less than the last column"
            " but one says. Unless a file names another machine, it is two shared CPU cores:"
            " ratios say more than times.",
            table(("what", "beside", "times as fast", "at least", "file"), rows),
            "## Evaluation at scale {#scale}",
            "From scores to ranks, metrics, intervals and the record of every case. `full` ranks"
            " the whole catalogue for each user, and its seconds include the model's own.",
            table(("users x items", "seconds", "of them in the model", "memory"), _scale_rows()),
        )
    }


def _scale_rows() -> list[tuple[str, ...]]:
    rows = []
    for name, figures in read("evaluation.json").items():
        if "seconds" in figures:
            asking = f"{figures['asking']:.0f}" if "asking" in figures else "-"
            memory = f"{figures['peak GiB']:.1f} GiB"
            rows.append((name, f"{figures['seconds']:.1f}", asking, memory))
    return rows


def _range(ratios: list[float]) -> str:
    low, high = f"{min(ratios):.1f}", f"{max(ratios):.1f}"
    return low if low == high else f"{low} to {high}"
