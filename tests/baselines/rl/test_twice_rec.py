"""TWiCE-Rec: its rewards, the stages and what each is trained on, the paper's variants."""

import json
from dataclasses import replace

import numpy as np
import pytest

from baselines.rl import twice_rec
from baselines.rl import twice_rec_stages as stages
from baselines.rl.twice_rec import TWiCERec
from benchkit.errors import DataError
from benchkit.lm.teachers.base import Rationale
from benchkit.types import Request
from tests.support.reward_settings import EXPERT, settings, toy_run
from tests.support.rollouts import TRIE, context, drawing_of, network, tasks_of

pytest.importorskip("peft")
pytest.importorskip("accelerate")


def rewards_of(tmp_path, monkeypatch, texts, **values):
    """The rewards of answers that name target, another item, and nothing."""
    run = context(tmp_path)
    drawing = drawing_of(run, rationale=True, **TRIE)
    (task,) = tasks_of(drawing.builder, 1, rationale=True)
    right = drawing.draw(network(), [task], ["k"])[0][0]
    other = next(item for item in task.request.candidates if item != task.target)
    method = TWiCERec(TWiCERec.Config(backbone="x", template="papers", **values))
    table = {task.request.case_id: {task.target: 0.8, other: 0.8}}
    monkeypatch.setattr(twice_rec, "agreement_table", lambda *_: table)
    reward = method.make_reward([task], None, run)
    answers = [replace(right, item=item, text=text) for text in texts
               for item in (task.target, other, None)]  # fmt: skip
    return [reward(task, answer) for answer in answers]


IN_ORDER, ITEM_FIRST = "<think>a</think><item>b</item>", "<item>b</item><think>a</think>"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [5.4, 2.8, 2.0, 5.4, 2.8, 2.0]),
        ({"format_reward": "strict"}, [5.4, 2.8, 2.0, 4.4, 1.8, 1.0]),
        ({"weight": 0.0}, [3.0, 2.0, 2.0, 3.0, 2.0, 2.0]),  # item match and format alone
        ({"item_weight": 4.0}, [15.6, 5.2, 2.0, 15.6, 5.2, 2.0]),
        ({"threshold": 0.9}, [3.0, 2.0, 2.0, 3.0, 2.0, 2.0]),
    ],
)
def test_rewards(tmp_path, monkeypatch, values, expected):
    found = rewards_of(tmp_path, monkeypatch, [IN_ORDER, ITEM_FIRST], **values)
    assert found == pytest.approx(expected)


def test_without_a_weight_no_collaborative_filter_is_trained(tmp_path):
    dataset, run = toy_run(tmp_path)
    config = TWiCERec.Config.model_validate(
        settings(weight=0.0, share=1.0, expert={"name": "ease"})  # whose scores are no log-odds
    )
    TWiCERec(config).fit(dataset.train_view(), run)
    assert not list((tmp_path / "scratch").glob("expert-*"))
    assert not (tmp_path / "scratch" / "collaborative.json").exists()


def fake_rationales(monkeypatch):
    """Let the teacher's scores be 1, 2, ..., 7, 1, ... and its third answer unusable."""

    def write(self, questions, data, run):
        rationales = [
            Rationale(q.key, q.item, "Because.", 1.0 + n % 7) for n, q in enumerate(questions)
        ]
        rationales[2] = replace(rationales[2], text=None, score=None, status="unparsed")
        return rationales

    monkeypatch.setattr(twice_rec.RewardRecommender, "write_rationales", write)


def examples_of(tmp_path, monkeypatch, **more):
    """The examples of stage 2, as texts of prompt and response, and the run's scratch folder."""
    from benchkit.lm.backbones import load_backbone

    fake_rationales(monkeypatch)
    dataset, run = toy_run(tmp_path)
    method = TWiCERec(TWiCERec.Config.model_validate(settings(expert=EXPERT, **more)))
    backbone = load_backbone(method.config, None, run)
    data = dataset.train_view()
    builder = method.builder(backbone, data)
    questions = method.training_questions(data, run)
    examples = method.fine_tuning_examples(questions, builder, data, run)
    decode = backbone.tokenizer.decode
    return [(decode(e.prompt), decode(e.response)) for e in examples], questions, run.scratch


def test_stage_2_has_three_tasks_and_no_incoherent_rationale(tmp_path, monkeypatch):
    texts, questions, scratch = examples_of(tmp_path, monkeypatch)
    assert len(questions) == 8
    described = [response for prompt, response in texts if "Describe this:" in prompt]
    reasons = [response for _, response in texts if response.startswith("<think>")]
    direct = len(texts) - len(described) - len(reasons)
    # Scores 1 2 (3) 4 5 6 7 1: one is unparsed, and three are below 4.
    assert (len(described), direct, len(reasons)) == (8, 8, 4)
    assert all(response.startswith("<think>Because.</think><item>") for response in reasons)
    record = json.loads((scratch / "curation.json").read_text())
    assert record == {
        "total": 8, "coherent": 4, "untagged": 0, "incoherent": 3, "unparsed": 1, "refused": 0,
        "error": 0, "min_coherence": 4.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({"curate": False}, (8, 8, 7)),
        ({"min_coherence": 7.0, "descriptions": 3}, (3, 8, 1)),
        ({"rationale": False}, (8, 8, 0)),  # the paper's Figure 7, C
        ({"tasks": ("reason",)}, (0, 0, 4)),
        ({"tasks": ("direct",)}, (0, 8, 0)),
    ],
)
def test_tasks_and_the_curation_can_be_left_out(tmp_path, monkeypatch, more, counts):
    texts, _, scratch = examples_of(tmp_path, monkeypatch, **more)
    described = sum("Describe this:" in prompt for prompt, _ in texts)
    reasons = sum(response.startswith("<think>") for _, response in texts)
    assert (described, len(texts) - described - reasons, reasons) == counts
    curated = counts[2] and more.get("curate", True)
    assert (scratch / "curation.json").exists() == bool(curated)


def test_a_teacher_that_calls_everything_incoherent_stops_the_run(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="incoherent"):
        examples_of(tmp_path, monkeypatch, min_coherence=7.0, limit_users=6)


def test_items_without_a_text_are_not_described(tmp_path):
    data = toy_run(tmp_path)[0].train_view()
    drawing = drawing_of(context(tmp_path / "other"))
    catalog = replace(data.catalog, texts={"title": data.catalog.texts["title"]})
    builder = replace(drawing.builder, catalog=catalog)
    view = type("View", (), {"catalog": catalog, "interactions": data.interactions})()
    assert stages.description_examples(builder, view, 10) == []


VARIANTS = {
    "A base": ({"fine_tune": False, "reinforce": False}, ()),
    "B stage 2": ({"reinforce": False}, ("sft",)),
    "C stage 3": ({"fine_tune": False}, ("reinforce",)),
    "D without cf": ({"weight": 0.0}, ("sft", "reinforce")),
    "E all": ({}, ("sft", "reinforce")),
}


def fit_and_ask(tmp_path, **more):
    dataset, run = toy_run(tmp_path)
    config = {"expert": EXPERT, "share": 0.5, "constrained": True, "min_coherence": 1, **more}
    method = TWiCERec(TWiCERec.Config.model_validate(settings(**config)))
    method.fit(dataset.train_view(), run)
    requests = list(dataset.requests(dataset.test, 0, 3))
    return method, list(method.predict(requests, run)), run


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_variants_of_the_paper_are_settings(tmp_path, variant):
    more, expected = VARIANTS[variant]
    method, answers, run = fit_and_ask(tmp_path, **more)
    assert tuple(run.stages) == expected
    assert all(np.isfinite(answer.scores).all() and answer.rationale for answer in answers)
    assert (run.scratch / "curation.json").exists() == ("sft" in expected)
    assert (run.scratch / "rewards.jsonl").exists() == ("reinforce" in expected)
    assert (run.scratch / "collaborative.json").exists() == (variant in ("C stage 3", "E all"))
    teacher_is_named = any("teacher" in caveat for caveat in method.caveats)
    assert teacher_is_named == ("sft" in expected)


def test_answers_without_rationales_come_from_the_same_model(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    full, with_rationales, _ = fit_and_ask(tmp_path / "a")
    plain, without, run = fit_and_ask(tmp_path / "b", answer_rationale=False)
    assert "explains" in full.capabilities and "explains" not in plain.capabilities
    assert all(answer.rationale is None for answer in without)
    assert [a.scores for a in without] != [a.scores for a in with_rationales]
    requests = [Request(a.case_id, "u", (), run.catalog.ids[:4]) for a in without]
    full.predictor = replace(full.predictor, rationale=False)
    first, second = (list(each.predict(requests, run)) for each in (full, plain))
    assert [a.scores for a in first] == [a.scores for a in second]
    untrained, answers, _ = fit_and_ask(tmp_path / "c", rationale=False)
    assert "explains" not in untrained.capabilities
    assert [a.scores for a in answers] != [a.scores for a in without]
