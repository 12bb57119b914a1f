"""benchkit anchors: drawn once, graded by version after version, and warned of."""

import json
import re
import shutil

import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.errors import ConfigError, DataError
from benchkit.runs.store import Store
from tests.support.explained_suite import run_explained_suite, write_explained_suite
from tests.support.toy_judges import JUDGES

MORE_JUDGES = '''

class Seeing(Strict):
    """Grades by the length of the answer, and more mildly after an update."""

    class Config(BaseModel, extra="forbid", frozen=True):
        rubric: str = "rationale-quality"
        more: int = 0

    @property
    def models(self):
        return (f"judge-{self.config.more}",)

    def verdict(self, judge_input):
        words = len(judge_input.rationale.split())
        grade = min(4, 1 + words // 5) + (self.config.more if words > 2 else 0)
        return Verdict(judge_input.key, {c.name: grade for c in self.rubric.criteria},
                       usage={"calls": 1})
'''


@pytest.fixture
def ran(methods, tmp_path):
    write_explained_suite(methods, tmp_path, users=60)
    (tmp_path / "judges.py").write_text(JUDGES + MORE_JUDGES)
    (tmp_path / "newer.toml").write_text('rubric = "rationale-quality"\nmore = 1\n')
    run_explained_suite(tmp_path, users=60)


BAD = """

class Bad(Seeing):
    def verdict(self, judge_input):
        grade = float("nan") if self.config.more else 99
        return Verdict(judge_input.key, {c.name: grade for c in self.rubric.criteria})
"""


@pytest.mark.usefixtures("ran")
def test_a_version_with_grades_off_the_scale_is_not_written(tmp_path):
    judges = tmp_path / "judges.py"
    judges.write_text(judges.read_text() + BAD)
    rubric = ("--rubric", "rationale-quality")
    drawn = anchors("--suite", "small.toml", "--n", "500", *rubric)
    text = " ".join(drawn.output.split())
    assert re.search(r"(\d+) anchors of \1 answers to judge, fewer than the 500 of --n", text)
    before = (tmp_path / "anchors.json").read_bytes()
    for settings, problem in ((rubric, "99 is outside"), (("--config", "newer.toml"), "nan is")):
        arguments = ["anchors", "anchors.json", "--by", "judges.py:Bad", "--name", "bad", *settings]
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, DataError), result.output
        cause = result.exception.cause
        assert cause.startswith("anchors.json: version 'bad': anchor '") and problem in cause
    assert (tmp_path / "anchors.json").read_bytes() == before


@pytest.mark.usefixtures("ran")
def test_generated_data_are_marked_also_once_runs_are_gone(tmp_path):
    store = Store(tmp_path / "runs")
    plan = store.plan("small")
    store.update_plan(plan.model_copy(update={"title": f"SYNTHETIC: {plan.title}"}))
    rubric = ("--rubric", "rationale-quality")
    assert "SYNTHETIC: " in anchors("--suite", "small.toml", *rubric, "--name", "one").output
    shutil.rmtree(tmp_path / "runs")
    second = anchors(*rubric, "--name", "two", "--max-shift", "4")
    assert "SYNTHETIC: two beside one" in second.output, second.output
    assert "Judge: a judge for tests." in second.output


def anchors(*more):
    return CliRunner().invoke(app, ["anchors", "anchors.json", "--by", "judges.py:Seeing", *more])


@pytest.mark.usefixtures("ran")
def test_versions_are_compared_on_the_same_answers_without_runs_and_data(tmp_path):
    first = anchors("--suite", "small.toml", "--n", "40", "--rubric", "rationale-quality")
    assert first.exit_code == 0, first.output
    assert "the first version" in first.output and "judge: a judge for tests" in first.output
    assert "anchors.json: 40 anchors of " in first.output
    record = json.loads((tmp_path / "anchors.json").read_text())
    methods = [anchor["method"] for anchor in record["anchors"]]
    assert sorted({*methods}) == ["Explains", "ExplainsMore"]
    assert methods.count("Explains") == methods.count("ExplainsMore") == 20
    assert record["versions"][0]["usage"] == {"calls": 40.0}

    shutil.rmtree(tmp_path / "runs")
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    same = anchors(
        "--rubric", "rationale-quality", "--name", "the same", "--max-shift", "0.5"
    )  # fmt: skip
    assert same.exit_code == 0, same.output
    text = " ".join(same.output.split())
    assert "the same beside judge-0" in text and "grounding: no drift" in text

    newer = anchors("--config", "newer.toml", "--name", "newer")
    assert newer.exit_code == 1
    text = " ".join(newer.output.split())
    assert "newer beside judge-0" in text and "newer beside the same" in text
    assert "Drift: grounding: the mean moved by +0." in text
    record = json.loads((tmp_path / "anchors.json").read_text())
    assert [version["name"] for version in record["versions"]][1:] == ["the same", "newer"]
    assert record["versions"][2]["models"] == ["judge-1"]

    loose = anchors("--config", "newer.toml", "--max-shift", "4", "--min-kappa", "-1")
    assert loose.exit_code == 0, loose.output


@pytest.mark.usefixtures("ran")
def test_what_cannot_be_is_refused(tmp_path):
    def fault(*more):
        result = anchors(*more)
        assert isinstance(result.exception, ConfigError), result.output
        return result.exception

    assert "No such file" in fault().cause
    rubric = ("--rubric", "rationale-quality")
    assert anchors("--suite", "small.toml", "--n", "10", "--name", "one", *rubric).exit_code == 0
    assert "there is a version 'one' already" in fault("--name", "one", *rubric).cause
    assert "there is a version 'one' already" in fault("--name", " one ", *rubric).cause
    assert "graded by rubric 'rationale-quality'" in fault("--rubric", "coherence-1-7").cause
    again = anchors("--suite", "small.toml", *rubric)
    assert again.exit_code == 2 and "has anchors already" in " ".join(again.output.split())
    unnamed = CliRunner().invoke(app, ["anchors", "anchors.json"])
    assert unnamed.exception.cause == "no judge is named"
