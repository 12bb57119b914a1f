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


def test_each_criterion_of_a_rubric_is_compared_by_itself(invoke, tmp_path):
    lines = ["item,rater,criterion,grade"]
    for place in range(12):
        for rater, shift in (("ann", 0), ("bob", place % 2)):
            lines += [
                f"{place},{rater},fit,{place % 3}",
                f"{place},{rater},trust,{place % 3 + shift}",
            ]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    done = invoke("labels.csv", "--out", "o")
    assert done.exit_code == 0, done.output
    assert done.output.index("Criterion fit") < done.output.index("Criterion trust")
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"fit", "trust"}
    one = json.loads(invoke("labels.csv", "--criterion", "fit", "--format", "json").output)
    assert one["raters"] == ["ann", "bob"]
    assert "name one with --criterion" in str(invoke("labels.csv", "--format", "csv").exception)
    assert "did you mean 'fit'" in str(invoke("labels.csv", "--criterion", "fits").exception)


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


@pytest.mark.parametrize(
    "text",
    [
        '{"item": 0, "a": 1.0, "b": 2}\n{"item": 1, "a": NaN, "b": 3}\n'
        '{"item": 2, "a": 2.0, "b": 3}\n{"item": 3, "a": 3.0, "b": 3}\n',
        '\ufeff{"item": 0, "a": 1, "b": 2}\n\n{"item": 1, "a": "NaN", "b": 3}\n'
        '{"item": 2, "a": "2", "b": 3}\n{"item": 3, "b": 3.0, "a": 3}\n',
        '{"item": "0", "a": 1.0, "b": 2}\n{"item": "1", "b": 3}\n'
        '{"item": "2", "a": 2.0, "b": 3}\n{"item": "3", "a": 3.0, "b": 3}\n',
        '{"item": 0, "a": 1, "b": 2}\n{"item": 1, "a": null, "b": 3}\n'
        '{"item": 2, "a": 2, "b": 3}\n{"item": 3, "a": 3, "b": 3, "note": NaN}\n',
    ],
    ids=["pandas", "texts", "absent", "other column"],
)
@pytest.mark.parametrize("ending", ["jsonl", "ndjson"])
def test_nan_in_json_lines_is_a_missing_grade(invoke, tmp_path, text, ending):
    (tmp_path / f"r.{ending}").write_text(text, encoding="utf-8")
    done = invoke(f"r.{ending}", "--raters", "a,b", "--format", "md")
    assert done.exit_code == 0, done.output
    assert "| a | 3 | 1 | 2.00 |" in done.output and "| b | 4 | 0 | 2.75 |" in done.output
    assert "Missing: 0 without a grade by b, 1 by a" in done.output


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('{"item": 1, "a": Infinity, "b": 1}', "row 2, column 'a': 'Infinity' is not a grade"),
        ('{"item": 1, "a": true, "b": 1}', "row 2, column 'a': 'true' is not a grade"),
        ('{"item": 1, "a": 1, "a": 2, "b": 1}', "line 2: no JSON: a field stands twice"),
        ('{"item": 1, "a": 1', "line 2: no JSON"),
        ("[1, 2]", "line 2: is no object"),
    ],
)
def test_json_lines_that_are_wrong_are_named(invoke, tmp_path, line, cause):
    (tmp_path / "r.jsonl").write_text('{"item": 0, "a": 1, "b": 2}\n' + line + "\n")
    done = invoke("r.jsonl", "--raters", "a,b")
    assert isinstance(done.exception, DataError) and cause in done.exception.cause


def write_many(path, n_raters):
    """Grades of 30 items by many raters, in long form."""
    rng = np.random.default_rng(0)
    truth = rng.integers(1, 6, 30)
    lines = ["item,rater,grade"]
    for rater in range(n_raters):
        noisy = np.clip(truth + rng.integers(-1, 2, 30), 1, 5)
        lines += [f"{item},r{rater},{grade}" for item, grade in enumerate(noisy)]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("options", "n_raters", "n_pairs", "left_out"),
    [
        ((), 10, 45, 0),
        ((), 11, 0, 55),
        (("--reference", "r0"), 11, 10, 0),
        (("--reference", "r0,r1"), 12, 11, 0),
        (("--pairs", "none"), 3, 0, 3),
        (("--pairs", "reference", "--reference", "r0,r1,r2"), 5, 2, 3),
        (("--pairs", "all", "--reference", "r0,r1,r2"), 5, 5, 0),
    ],
)
def test_pairs_are_compared_by_number_or_as_named(
    invoke, tmp_path, options, n_raters, n_pairs, left_out
):
    write_many(tmp_path / "many.csv", n_raters)
    report = json.loads(invoke("many.csv", "--format", "json", *options).output)
    pairs = {(s["first"], s["second"]) for s in report["statistics"] if s["level"] == "sample"}
    assert (len(pairs), report["pairs_left_out"]) == (n_pairs, left_out)
    groups = {s["statistic"] for s in report["statistics"] if s["level"] == "group"}
    assert {"ordinal", "mean_kappa"} <= groups
    text = invoke("many.csv", "--format", "md", *options).output
    assert (f"{left_out} pairs of raters." in text) == (left_out > 0)


def test_pairs_with_a_reference_need_one(invoke, tmp_path):
    done = invoke("wide.csv", "--item", "id", "--raters", "ann,gpt", "--pairs", "reference")
    assert "there is no reference" in done.exception.cause
    assert "--reference" in done.exception.hint


def write_scales(folder):
    (folder / "two.csv").write_text("item,ann,gpt\nx,1,0\ny,2,60\nz,4,50\nw,5,100\n")


def test_raters_on_different_scales_are_compared_by_correlations_alone(invoke, tmp_path):
    write_scales(tmp_path)
    done = invoke("two.csv", "--raters", "ann,gpt")
    assert isinstance(done.exception, DataError) and done.exception.exit_code == 3
    done = invoke("two.csv", "--raters", "ann,gpt", "--scale", "none", "--format", "md")
    assert done.exit_code == 0, done.output
    assert "Spearman ρ | .800" in done.output and "Kappa (quadratic) | - |" in done.output


def test_caveats_stand_beside_a_csv_that_has_no_place_for_them(invoke, tmp_path):
    (tmp_path / "narrow.csv").write_text("item,ann,gpt\nx,1,4\ny,3,5\nz,5,4\n")
    done = invoke("narrow.csv", "--raters", "ann,gpt", "--format", "csv")
    assert done.exit_code == 0 and "count as of one scale" in done.stderr
    assert "count as of one scale" not in done.stdout


def test_files_without_a_common_item_end_with_an_error(invoke, tmp_path):
    (tmp_path / "ann.csv").write_text("item,grade\nx,1\n")
    (tmp_path / "gpt.csv").write_text("item,grade\ny,1\n")
    done = invoke("ann.csv", "gpt.csv")
    assert isinstance(done.exception, DataError)
    assert "no item was graded by two raters" in done.exception.cause
