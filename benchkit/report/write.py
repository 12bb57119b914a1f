"""Writing the tables of a suite into its leaderboard folder."""

from pathlib import Path

from benchkit import files
from benchkit.report import tables
from benchkit.report.model import Results

FORMATS = {"md": tables.markdown, "latex": tables.latex, "csv": tables.leaderboard_csv}
_NAMES = {"md": "table.md", "latex": "table.tex", "csv": "leaderboard.csv"}


def write_all(results: Results, folder: Path) -> list[Path]:
    """Write table.md, table.tex and leaderboard.csv; they are generated, never edited."""
    paths = []
    for kind, render in FORMATS.items():
        path = folder / _NAMES[kind]
        files.write_text(path, render(results))
        paths.append(path)
    return paths
