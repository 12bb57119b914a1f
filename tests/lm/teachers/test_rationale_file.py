"""Questions for training, rationales in files, configurations, and `benchkit rationales`."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from pydantic import TypeAdapter
from typer.testing import CliRunner

from benchkit import fingerprint
from benchkit.api.rationales import plan_rationales
from benchkit.cli.rationales import rationales_command
from benchkit.errors import BenchkitError, ConfigError, DataError, StoreError
from benchkit.judging.validation import same_model_warning
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.teachers import TeacherConfig, make_teacher, sentence_encoder
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.lm.teachers.llm import LLMTeacherConfig
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.lm.teachers.rationale_file import FileTeacherConfig, write_rationales
from benchkit.lm.teachers.template import TemplateTeacherConfig
from benchkit.runs.store import Store
from benchkit.testing.fixtures import toy_dataset
from benchkit.training.core.example_builder import validation_questions
from benchkit.training.preference.examples import rank_rejected
from benchkit.training.preference.preference_io import read_caveats, read_preferences

SUITE = """
title = "Toy"
[[datasets]]
name = "toy"
source = "toy"
options = { users = 40, items = 60 }
candidates = { count = 20 }
[[methods]]
method = "random"
"""


class Hashed:
    """Texts to fixed vectors without a model."""

    name = "hashed"

    def __init__(self, precision="float32"):
        assert precision == "float32"

    def encode(self, texts):
        rows = [np.random.default_rng(len(t) + ord(t[0])).normal(size=8) for t in texts]
        return np.array(rows, dtype=np.float32)


@pytest.fixture(scope="module")
def view():
    return toy_dataset(users=40, items=60).train_view()


def no_engine(_):
    raise AssertionError("no engine is needed")


class Told:
    name, caveat, models = "told", "rationales made up for a test", ("org/m", "n")


ANSWERS = [
    Rationale("u1", "a", 'Like "Tea\n", “Mate” is a tea.', 6.25, "ok", {"evidence": ["t"]}),
    Rationale("u1", "b", "Both are teas.", None),
    Rationale("u2", "a", None, None, "unparsed", {"raw": "as an AI\u2028"}),
]


def asked(*pairs):
    return [TeacherQuestion(key, (), (item,), item) for key, item in pairs]


def test_a_file_gives_back_what_was_written(tmp_path, view):
    path = tmp_path / "new" / "r.jsonl"
    counts = write_rationales(path, ANSWERS, Told())
    assert counts == {"ok": 2, "unparsed": 1}
    rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    assert [row["remark"] for row in rows] == [Told.caveat] * 3
    teacher = make_teacher(FileTeacherConfig(path=path), None, no_engine)
    assert (teacher.caveat, teacher.models) == (Told.caveat, Told.models)
    questions = asked(("u2", "a"), ("u1", "a"), ("u1", "b"), ("u9", "a"))
    again = list(teacher.write(questions, view.catalog))
    assert again[:3] == [ANSWERS[2], ANSWERS[0], ANSWERS[1]]
    assert (again[3].text, again[3].status) == (None, "error")
    assert teacher.estimate(questions, view.catalog).n_cached == 3
    assert teacher.estimate(questions, view.catalog).calls == 0


def test_the_settings_of_a_run_name_the_models_that_wrote_a_file(tmp_path):
    path = tmp_path / "r.jsonl"
    write_rationales(path, ANSWERS, Told())
    settings = fingerprint.canonical_settings(FileTeacherConfig(path=path))
    assert settings["models"] == ["org/m", "n"]
    assert same_model_warning(["other/N"], {"teacher": settings})
    path.write_text('{"key": "u1", "item": "a", "text": "Teas."}\n')  # as others publish it
    assert fingerprint.canonical_settings(FileTeacherConfig(path=path))["models"] == []
    assert fingerprint.canonical_settings(FileTeacherConfig(path=tmp_path / "none"))["models"] == []


def test_an_interrupted_writing_leaves_no_file(tmp_path):
    def breaks():
        yield ANSWERS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rationales(tmp_path / "r.jsonl", breaks(), Told())
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_teacher_is_no_error_of_the_file(tmp_path):
    def breaks():
        yield ANSWERS[0]
        raise ConnectionError("no server")

    with pytest.raises(ConnectionError, match="no server"):
        write_rationales(tmp_path / "r.jsonl", breaks(), Told())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_error_also_where_it_shows_on_closing(tmp_path, monkeypatch):
    def full(path, *args, **kwargs):
        return open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123

    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreError, match="cannot write") as caught:
        write_rationales(tmp_path / "r.jsonl", ANSWERS, Told())
    assert "free disk space" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_published_files_may_say_user_and_rationale(tmp_path, view):
    path = tmp_path / "theirs.jsonl"
    path.write_text('{"user": "u1", "item": "a", "rationale": "Teas.", "score": 7, "id": 3}\n\n')
    teacher = make_teacher(FileTeacherConfig(path=path), None, no_engine)
    assert list(teacher.write(asked(("u1", "a")), view.catalog)) == [
        Rationale("u1", "a", "Teas.", 7.0)
    ]
    assert "theirs.jsonl" in teacher.caveat


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"key": "u", "item": "a", "text": "t", "score": 0}', "line 1: score"),
        ('{"key": "u", "item": "a"}', "line 1: no text"),
        ('{"item": "a", "text": "t"}', "line 1: key"),
        ("[1]", "line 1: Input should be an object"),
        ("{", "line 1"),
        ('{"key": "u", "item": "a", "text": "t"}\n' * 2, "line 2: 'u' has item 'a' twice"),
    ],
)
def test_lines_that_cannot_be_used_are_named(tmp_path, line, said):
    path = tmp_path / "r.jsonl"
    path.write_text(line)
    with pytest.raises(DataError, match=said):
        make_teacher(FileTeacherConfig(path=path), None, no_engine)


def test_a_file_of_another_dataset_is_refused(tmp_path, view):
    write_rationales(tmp_path / "r.jsonl", ANSWERS, Told())
    teacher = make_teacher(FileTeacherConfig(path=tmp_path / "r.jsonl"), None, no_engine)
    with pytest.raises(DataError, match="no rationale for any of 1 questions"):
        list(teacher.write(asked(("someone", "a")), view.catalog))


def test_the_configuration_is_told_by_its_kind():
    read = TypeAdapter(TeacherConfig).validate_python
    assert read({"kind": "template"}) == TemplateTeacherConfig()
    assert isinstance(read({"kind": "llm", "engine": {"kind": "openai"}}), LLMTeacherConfig)
    for wrong in ({"kind": "oracle"}, {"kind": "template", "extra": 1}, {"kind": "llm"}):
        with pytest.raises(ConfigError):
            read(wrong)


def test_the_template_teacher_needs_no_engine(view, monkeypatch):
    monkeypatch.setattr(sentence_encoder, "MiniLMEncoder", Hashed)
    teacher = make_teacher(TemplateTeacherConfig(), None, no_engine)
    questions = build_training_questions(view, limit=3)
    assert teacher.estimate(questions, view.catalog) == CostEstimate(0, 0, 0, 0.0, 0)
    assert [r.status for r in teacher.write(questions, view.catalog)] == ["ok"] * 3
    assert "not from a language model" in teacher.caveat


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Runs `benchkit rationales` in a folder of its own and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sentence_encoder, "MiniLMEncoder", Hashed)
    (tmp_path / "mine.toml").write_text(SUITE)
    app = typer.Typer()
    app.command()(rationales_command)

    def run(*arguments, raises=None):
        result = CliRunner().invoke(app, ["--suite", "mine.toml", *map(str, arguments)])
        if raises is None:
            assert result.exit_code == 0, result.output
            return result.output
        assert isinstance(result.exception, raises), result.output
        return str(result.exception)

    return run


def test_a_run_finds_what_a_teacher_was_paid_for(said):
    cache = Store(Path("runs")).cache
    assert inspect.signature(plan_rationales).parameters["cache"].default == cache
    assert inspect.signature(rationales_command).parameters["cache"].default == cache
    Path("runs/cache").mkdir(parents=True)
    out = said("--negatives", 1, "--limit-users", 5, "--out", "r.jsonl")
    assert "--cache runs/cache" in out
    assert [path.name for path in Path("runs").iterdir() if path.name != "cache"] in (
        [],
        [".cache"],
    )


def test_teach_writes_what_a_file_teacher_reads(said, view):
    out = said("--negatives", 1, "--limit-users", 5, "--out", "r.jsonl")
    assert "10 questions of training and 40 of validation, no call to a language model" in out
    assert "50 ok; wrote r.jsonl" in out
    first = Path("r.jsonl").read_text()
    said("--negatives", 1, "--limit-users", 5, "--out", "r.jsonl", "--dataset", "toy")
    assert Path("r.jsonl").read_text() == first
    Path("teacher.toml").write_text('kind = "file"\npath = "r.jsonl"')
    out = said("--config", "teacher.toml", "--limit-users", 5, "--out", "again.jsonl")
    assert "not from a language model" in out
    assert set(Path("again.jsonl").read_text().split("\n")) - {""} <= {
        line.replace('"teacher": "template"', '"teacher": "file/r.jsonl"')
        for line in first.split("\n")
    }


def test_teach_estimates_without_asking(said):
    Path("teacher.toml").write_text(
        'kind = "llm"\ndecoding = { max_tokens = 100 }\n[engine]\nkind = "openai"\nmodel = "m"\n'
        "price_prompt = 1.0\nprice_completion = 2.0\n"
    )
    pytest.importorskip("benchkit.lm.nano.training")
    ask = ("--config", "teacher.toml", "--estimate", "--limit-users", 4)
    out = said(*ask, "--validation-cases", 3)
    assert "4 questions of training and 3 of validation, 0 answered before; at most 7 calls" in out
    assert "700 completion tokens, cost 0.0" in out
    assert "at most 4 calls" in said(*ask, "--validation-cases", 0)
    assert "at most 44 calls" in said(*ask)
    assert not list(Path().glob("*.jsonl"))


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('kind = "llm"\n[engine]\nkind = "hf"\n', "no backbone"),
        ('kind = "llm"\n[engine]\nkind = "abacus"\n', "the teacher's engine"),
        ('kind = "abacus"', "teacher.toml"),
        ("kind = ", "teacher.toml"),
        ('kind = "llm"\nprompt = "c-apa"\nengine = {}', "did you mean 'c-apo'"),
    ],
)
def test_teach_says_what_is_wrong_with_a_teacher(said, toml, message):
    Path("teacher.toml").write_text(toml)
    if "[engine]" in toml:
        pytest.importorskip("benchkit.lm.nano.training")
    assert message in said("--config", "teacher.toml", "--estimate", raises=BenchkitError)


def test_teach_explains_the_validation_targets(said):
    said("--negatives", 1, "--limit-users", 5, "--validation-cases", 7, "--out", "r.jsonl")
    view = toy_dataset(users=40, items=60).train_view()
    teacher = make_teacher(FileTeacherConfig(path=Path("r.jsonl")), None, no_engine)
    asked = validation_questions(view.validation, 300)
    written = list(teacher.write(asked, view.catalog))
    assert [r.status for r in written] == ["ok"] * 7 + ["error"] * 33
    assert [(r.key, r.item) for r in written] == [
        (case.request.case_id, case.target) for case in view.validation
    ]


def test_teach_writes_preferences(said, view):
    out = said("--negatives", 2, "--limit-users", 5, "--triplets", "t.jsonl", "--out", "r.jsonl")
    found = read_preferences(Path("t.jsonl"))
    assert f"preferences: {rank_rejected(found)[1]}; wrote all 5 to t.jsonl" in out
    assert "5 asked, 0 incomplete" in out
    questions = build_training_questions(view, negatives=2, limit=5)
    assert [(own.key, c.item) for own in found for c in own.choices] == [
        (q.key, q.item) for q in questions
    ]
    rows = map(json.loads, Path("r.jsonl").read_text().splitlines())
    said_of = {(row["key"], row["item"]): (row["text"], row["score"]) for row in rows}
    for own in found:
        for choice in own.choices:
            text, score = said_of[own.key, choice.item]
            assert (choice.rationale, choice.score) == (text, pytest.approx(score, abs=1e-6))
    assert "not from a language model" in read_caveats(Path("t.jsonl"))[0]
    alone = said("--negatives", 2, "--limit-users", 5, "--triplets", "u.jsonl")
    assert "15 questions of training and 0 of validation" in alone
    assert Path("u.jsonl").read_text() == Path("t.jsonl").read_text()


def test_preferences_need_negatives(said):
    said("--limit-users", 5, "--triplets", "t.jsonl", raises=SystemExit)
    assert not Path("t.jsonl").exists()


def test_teach_wants_a_file_or_an_estimate(said):
    said("--limit-users", 5, raises=SystemExit)
    assert "unknown dataset 'tay'" in said("--dataset", "tay", "--estimate", raises=ConfigError)
