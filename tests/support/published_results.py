"""The transcribed results of the published papers, as the files of leaderboards/published."""

import csv
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "leaderboards" / "published"
PAPERS = ("c-apo", "twice-rec", "recpo", "eapo", "rationale-integration")


def read_paper(paper):
    """The rows of a paper's file."""
    with (FOLDER / f"{paper}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))
