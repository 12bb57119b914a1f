"""What the README shows is what was generated."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_table_is_that_of_the_leaderboard():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("<!-- table: quickstart scored -->")[1].split("<!-- /table -->")[0]
    generated = (ROOT / "leaderboards" / "quickstart" / "table.md").read_text(encoding="utf-8")
    first = [line for line in generated.split("\n\n")[1].splitlines() if line.startswith("|")]
    assert [line for line in shown.splitlines() if line.startswith("|")] == first


def test_every_command_it_names_exists():
    from typer.testing import CliRunner

    from benchkit.cli.main import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    used = {line.split()[1] for line in readme.splitlines() if line.startswith("benchkit ")}
    assert {"run", "data"} <= used
    for command in used:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_every_suite_it_names_is_shipped():
    from benchkit.config import shipped_suites

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## The papers' datasets and suites")[1].split("```")[0]
    named = {name for name in shipped_suites() if f"`{name}`" in section}
    assert named == set(shipped_suites())
