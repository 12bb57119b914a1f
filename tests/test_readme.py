"""What the README shows is what was generated."""

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
    assert list(ours) == list(theirs)
    for name, means in ours.items():
        # Another processor rounds otherwise, which training magnifies.
        assert means == pytest.approx(theirs[name], abs=0.03), name


def test_every_command_it_names_exists():
    from typer.testing import CliRunner

    from benchkit.cli.main import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    used = {line.split()[1] for line in readme.splitlines() if line.startswith("benchkit ")}
    assert {"run", "data"} <= used
    for command in used:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_every_suite_it_names_is_shipped():
    from benchkit.config.suite import list_shipped_suites

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## The papers' datasets and suites")[1].split("```")[0]
    named = {name for name in list_shipped_suites() if f"`{name}`" in section}
    assert named == set(list_shipped_suites())
