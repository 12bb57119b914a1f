"""`benchkit agree` as a person meets it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchkit.cli.agree import agree_command
from benchkit.errors import DataError
from benchkit.report.agreement.files import AGREEMENT_CSV_COLUMNS


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    rows = ["id,ann,bob,gpt"]
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(80, 1))
    grades = np.searchsorted([-1, 0, 1], truth + 0.6 * rng.normal(size=(80, 3)))
    rows += [f"{i},{a},{b},{g}" for i, (a, b, g) in enumerate(grades.tolist())]
    (tmp_path / "wide.csv").write_text("\n".join(rows))
    app = typer.Typer()
    app.command()(agree_command)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_the_command_prints_and_writes(invoke, tmp_path):
    pytest.importorskip("matplotlib")
    done = invoke(
        "wide.csv", "--item", "id", "--raters", "ann,bob,gpt", "--reference", "ann,bob",
        "--scale", "0-3", "--gap", "1", "--out", "o",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "reference mean and gpt" in done.output and "Krippendorff α, ordinal" in done.output
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert {"agreement.csv", "disagreements.csv", "confusion-ann-bob.svg"} <= names
    assert {"confusion-reference-mean-gpt.csv", "confusion-reference-mean-gpt.png"} <= names


def test_the_command_prints_every_format(invoke):
    wide = ("wide.csv", "--item", "id", "--raters", "ann,gpt")
    assert invoke(*wide, "--format", "md").output.startswith("**Grades by 2 raters on 80 items**")
    assert invoke(*wide, "--format", "csv").output.startswith(",".join(AGREEMENT_CSV_COLUMNS))
    first, second = (invoke(*wide, "--format", "json").output for _ in range(2))
    assert first == second and json.loads(first)["raters"] == ["ann", "gpt"]
    assert invoke(*wide, "--format", "json", "--seed", "1").output != first


def test_the_command_says_what_is_wrong(invoke):
    done = invoke("wide.csv", "--raters", "ann,gpt", "--scale", "0-2")
    assert isinstance(done.exception, DataError)
    assert "is not on the scale from 0 to 2" in str(done.exception)
    assert isinstance(invoke("wide.csv").exception, DataError)


def test_without_matplotlib_the_tables_are_written(invoke, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = invoke("wide.csv", "--raters", "ann,gpt", "--out", "o")
    assert done.exit_code == 0, done.output
    assert "benchkit[plots]" in done.output
    assert not list((tmp_path / "o").glob("*.svg")) and (tmp_path / "o" / "agreement.csv").is_file()


def test_the_command_is_registered_and_loads_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from benchkit.cli.main import app;"
        "done = CliRunner().invoke(app, ['agree', '--help']); assert done.exit_code == 0;"
        "import benchkit.report.agreement.files, benchkit.report.agreement.confusion_plot;"
        "assert not {'scipy', 'matplotlib', 'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
