"""Curation: who tags what, what is dropped, and that every rationale is counted once."""

import json

import pytest

from benchkit.lm.teachers import make_teacher
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.lm.teachers.curation import count_tags, is_coherent, tag_rationales
from benchkit.lm.teachers.llm import LLMTeacherConfig
from benchkit.lm.teachers.prompt_template import load_teacher_prompt
from benchkit.lm.teachers.rationale_file import FileTeacherConfig, write_rationales
from benchkit.lm.teachers.template import TemplateTeacher
from benchkit.types import Catalog, Event
from tests.support.bag_encoder import Bag
from tests.support.fake_engine import FakeEngine

CATALOG = Catalog(
    tuple("abcdef"),
    {"title": ["red tea", "red cup", "red pot", "blue bike", "blue pump", "blue tyre"]},
)


def question(key, item, history="a"):
    return TeacherQuestion(key, tuple(map(Event, history)), tuple("abcdef"), item)


def scored(score, text="Why."):
    return Rationale("u", "a", text, score)


def test_a_score_below_the_limit_is_incoherent():
    low, limit, high, none = tag_rationales([*map(scored, (3.9, 4.0, 7.0, None))], 4.0)
    assert (low.text, low.status, low.meta["raw"]) == (None, "refused", "Why.")
    assert low.meta["why"] == "coherence 3.9 is below 4"
    assert [r.text for r in (limit, high, none)] == ["Why."] * 3
    assert [is_coherent(r) for r in (low, limit, high, none)] == [False, True, True, None]


def test_a_verdict_outweighs_a_high_score():
    (dropped,) = tag_rationales([Rationale("u", "a", "Why.", 7.0, meta={"coherent": False})], 1.0)
    assert dropped.text is None


def test_every_rationale_is_counted_once():
    statuses = ("unparsed", "truncated", "refused", "error")
    failed = [Rationale("u", "a", None, None, status) for status in statuses]
    tagged = tag_rationales([*map(scored, (1.0, 6.0, None)), *failed], 4.0)
    counts = count_tags(tagged)
    assert vars(counts) == {
        "total": 7, "coherent": 1, "untagged": 1, "incoherent": 1, "unparsed": 2, "refused": 1,
        "error": 1,
    }  # fmt: skip
    assert str(counts) == ("2 of 7 rationales kept; 1 incoherent, 2 unparsed, 2 without an answer")
    assert count_tags(tag_rationales(tagged, 4.0)) == counts  # a second time changes nothing


def test_the_template_teacher_tags_by_its_own_score():
    teacher = TemplateTeacher(encoder=Bag())
    questions = [question("u", item) for item in "bcdef"]
    first = tag_rationales(list(teacher.write(questions, CATALOG)), 4.5)
    assert [is_coherent(r) for r in first] == [True, True, False, False, False]
    assert first == tag_rationales(list(teacher.write(questions, CATALOG)), 4.5)


VERDICTS = {"u0": "yes", "u1": "no", "u2": "Yes", "u3": "perhaps", "u4": "yes, no"}


def answer_by_key(prompt):
    verdict = VERDICTS[prompt.key.partition("/")[0]]
    return f"<rationale>For {prompt.key}.</rationale><coherent>{verdict}</coherent>", "stop"


@pytest.fixture
def written(tmp_path):
    """What a language model says of five customers, and the file of it."""
    config = LLMTeacherConfig(engine={"kind": "fake", "model": "m"}, prompt="post-hoc")
    teacher = make_teacher(config, tmp_path, lambda _: FakeEngine(answer_by_key))
    questions = [question(key, "b", "abcdef"[: n + 1]) for n, key in enumerate(VERDICTS)]
    rationales = list(teacher.write(questions, CATALOG))
    path = tmp_path / "rationales.jsonl"
    write_rationales(path, rationales, teacher)
    return questions, rationales, path


def test_a_language_model_tags_by_its_verdict(written):
    counts = count_tags(tag_rationales(written[1], 4.0))
    assert (counts.coherent, counts.incoherent, counts.unparsed, counts.untagged) == (2, 1, 2, 0)


def test_its_prompt_shows_an_example_of_each_verdict():
    user = load_teacher_prompt("post-hoc").render(question("u", "b"), CATALOG).messages[1].content
    examples = user.partition("[Purchase History]")[0]
    assert examples.count("</rationale>\n<coherent>yes</coherent>") == 1
    assert examples.count("</rationale>\n<coherent>no</coherent>") == 1


def test_a_file_keeps_the_tags_that_it_was_written_with(written):
    questions, rationales, path = written
    teacher = make_teacher(FileTeacherConfig(path=path), None, lambda _: None)
    counts = count_tags(tag_rationales(list(teacher.write(questions, CATALOG)), 4.0))
    assert counts == count_tags(tag_rationales(rationales, 4.0))


def test_a_file_of_others_is_tagged_by_scores_and_used_where_it_has_none(tmp_path):
    path = tmp_path / "mine.jsonl"
    lines = [{"user": "u0", "item": "b", "text": "A."}, {"user": "u1", "item": "b", "text": "B.",
             "score": 2}]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)))
    teacher = make_teacher(FileTeacherConfig(path=path), None, lambda _: None)
    questions = [question(f"u{n}", "b") for n in range(3)]
    counts = count_tags(tag_rationales(list(teacher.write(questions, CATALOG)), 4.0))
    assert (counts.untagged, counts.incoherent, counts.error) == (1, 1, 1)
