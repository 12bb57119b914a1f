"""RecExplainer: labels are the expert's answers, and agreement with it is measured."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from baselines import experts
from baselines.experts import ExpertConfig
from baselines.sft.expert_tasks import ExpertTasks, TaskMixture, item_descriptions
from baselines.sft.rec_explainer import RecExplainer, expert_agreement
from benchkit.lm.prompts import load_template
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.types import Catalog, Prediction
from tests.support.tiny_models import tiny_backbone

SASREC = {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1}}
TRAIN = {"epochs": 1, "batch_size": 8, "max_length": 2048}


def config(**changes):
    return RecExplainer.Config(
        **{
            "backbone": tiny_backbone(), "template": "compact", "train": TRAIN, "limit_users": 8,
            "validation_cases": 4, "candidates": 5, "expert": SASREC, **changes,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    return toy_dataset(users=40, items=40, length=6)


@pytest.fixture(scope="module")
def expert(dataset):
    made = ExpertConfig(**SASREC).make()
    made.fit(dataset.train_view(), run_context(dataset.catalog))
    return made


@pytest.fixture(scope="module")
def questions(dataset):
    return build_training_questions(dataset.train_view(), candidates=10)


def tasks_of(dataset, expert, template="compact", catalog=None):
    from tests.support.tiny_models import tiny_tokenizer

    builder = ExampleBuilder(load_template(template), tiny_tokenizer(), catalog or dataset.catalog)
    return ExpertTasks(
        expert,
        builder,
        replace(builder, template=load_template("compact-list")),
        replace(builder, template=load_template("compact-interest")),
        run_context(dataset.catalog),
    )


def spelled(tasks, ids):
    return tasks.next_item.tokenizer.decode(ids, skip_special_tokens=True)


def best_unseen(expert, request, dataset):
    """The expert's favourite, the long way round."""
    scores = expert.score_items([request])[0]
    seen = {event.item for event in request.history}
    free = [code for code, item in enumerate(dataset.catalog.ids) if item not in seen]
    return dataset.catalog.ids[max(free, key=lambda code: scores[code])]


@pytest.mark.parametrize("template", ["compact", "titles"])
def test_the_next_item_is_the_favourite_of_the_expert(dataset, expert, questions, template):
    tasks = tasks_of(dataset, expert, template)
    requests = [to_request(question) for question in questions]
    others = 0
    for question, request, scores in zip(
        questions, requests, tasks.unseen_scores(requests), strict=True
    ):
        example = tasks.next_item_example(request, scores)
        favourite = best_unseen(expert, request, dataset)
        assert spelled(tasks, example.response) == dataset.catalog.text(favourite)
        others += favourite != question.item
        if template == "titles":  # it shows the candidates
            listed = spelled(tasks, example.prompt).partition("Candidates:\n")[2].splitlines()
            assert dataset.catalog.text(favourite) in listed
            assert len(set(listed[:10])) == 10
    assert others > len(questions) / 2  # the users' own choices are not the labels


def test_lists_are_in_the_order_of_the_expert(dataset, expert, questions):
    tasks = tasks_of(dataset, expert)
    for question in questions[:10]:
        request = to_request(question)
        (scores,) = tasks.unseen_scores([request])
        example = tasks.rank_example(request, scores)
        lines = spelled(tasks, example.response).splitlines()
        code = {dataset.catalog.text(item): c for item, c in dataset.catalog.index.items()}
        listed = [code[line.partition(". ")[2]] for line in lines]
        assert [line[:3] for line in lines] == ["1. ", "2. ", "3. ", "4. ", "5. "]
        assert list(scores[listed]) == sorted(scores[listed], reverse=True)
        prompt = spelled(tasks, example.prompt)
        assert prompt.endswith("\n") and all(dataset.catalog.text(dataset.catalog.ids[c]) in prompt
                                             for c in listed)  # fmt: skip


def test_interest_is_that_of_the_expert(dataset, expert, questions):
    tasks = tasks_of(dataset, expert)
    answers = Counter()
    for question in questions:
        request = to_request(question)
        (scores,) = tasks.unseen_scores([request])
        example = tasks.interest_example(request, scores)
        title = spelled(tasks, example.prompt).splitlines()[-1]
        item = dataset.catalog.texts["title"].index(title)
        answer = spelled(tasks, example.response)
        answers[answer] += 1
        place = int((scores > scores[item]).sum()) / int(np.isfinite(scores).sum())
        assert place < 0.1 if answer == "Yes" else place >= 0.49
    assert set(answers) == {"Yes", "No"} and min(answers.values()) > len(questions) / 4


def test_items_from_their_texts_and_back(dataset, expert):
    catalog = Catalog(
        ("a", "b", "c"),
        {"title": ["A", "B", "C"], "description": ["One\n thing", None, ""],
         "genres": ["x", "Jazz", "Jazz"]},
    )  # fmt: skip
    assert item_descriptions(catalog) == ["One thing", "Jazz", "Jazz"]
    tasks = tasks_of(dataset, expert, catalog=catalog)
    mixture = TaskMixture(rank=0, interest=0, describe=1, find=1)
    pairs = [
        (spelled(tasks, e.prompt), spelled(tasks, e.response)) for e in tasks.examples([], mixture)
    ]
    assert pairs == [
        ("Describe this:\nA\n", "One thing"),
        ("What is this?\nOne thing\n", "A"),
        ("Describe this:\nB\n", "Jazz"),
        ("Describe this:\nC\n", "Jazz"),  # two items have the text: none is asked for by it
    ]


def test_the_mixture_says_how_many_examples_there_are(dataset, expert, questions):
    tasks, users = tasks_of(dataset, expert), len(questions)
    none = {"rank": 0, "interest": 0, "describe": 0, "find": 0}
    one = list(tasks.examples(questions, TaskMixture(**none)))
    assert len(one) == users
    some = list(tasks.examples(questions, TaskMixture(**{**none, "rank": 0.5, "interest": 0.25})))
    assert 1.4 * users < len(some) < 2.1 * users
    assert len(list(tasks.examples(questions, TaskMixture(**{**none, "rank": 1})))) == 2 * users
    assert list(tasks.examples(questions, TaskMixture())) == list(
        tasks.examples(questions, TaskMixture())
    )


def test_more_examples_a_user_are_of_earlier_histories(dataset, expert, questions):
    tasks = tasks_of(dataset, expert)
    mixture = TaskMixture(next_item=2, rank=0, interest=0, describe=0, find=0)
    written = list(tasks.examples(questions, mixture))
    earlier = [
        replace(to_request(q), case_id=f"{q.key}#1", history=q.history[:-1])
        for q in questions
        if len(q.history) > 1
    ]
    expected = [
        tasks.next_item_example(request, scores)
        for request, scores in zip(earlier, tasks.unseen_scores(earlier), strict=True)
    ]
    assert len(earlier) > 10
    assert written[len(questions) :] == expected


def test_labels_do_not_know_the_answers(dataset, expert, questions):
    other = [replace(question, item=question.candidates[0]) for question in questions]
    tasks = tasks_of(dataset, expert)
    assert list(tasks.examples(other, TaskMixture())) == list(
        tasks.examples(questions, TaskMixture())
    )


def test_an_oracle_agrees_with_the_expert(dataset, expert):
    asked, run = list(dataset.requests(dataset.test, 0, 12)), run_context(dataset.catalog)

    def oracle(requests, run):
        for request, own in zip(
            requests, experts.expert_scores(expert, requests, run), strict=True
        ):
            best = own.argmax()
            yield Prediction(request.case_id, [float(p == best) for p in range(len(own))])

    def turned(requests, run):
        for request, own in zip(
            requests, experts.expert_scores(expert, requests, run), strict=True
        ):
            yield Prediction(request.case_id, (-own).tolist())

    def level(requests, run):
        return (Prediction(r.case_id, [1.0] * len(r.candidates)) for r in requests)

    def silent(requests, run):
        return (Prediction(r.case_id, None, status="error") for r in requests)

    assert expert_agreement(oracle, expert, asked, run) == 1
    assert expert_agreement(turned, expert, asked, run) == 0
    assert expert_agreement(level, expert, asked, run) == pytest.approx(1 / 20)
    assert expert_agreement(silent, expert, asked, run) == 0
    assert expert_agreement(oracle, expert, [], run) is None


@pytest.mark.parametrize("template", ["compact", "titles"])
def test_it_is_trained_and_compared_with_its_expert(dataset, template):
    method, run = RecExplainer(config(template=template)), run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    assert 0 <= method.agreement <= 1
    assert "answers of sasrec" in method.caveats[-1]
    asked = list(dataset.requests(dataset.test, 0, 3))
    for prediction in method.predict(asked, run):
        assert len(prediction.scores) == len(prediction.lengths) == 20
        assert prediction.rationale is None


def test_it_learns_what_the_expert_prefers(dataset):
    """Overfitted to the most popular item, it ranks that item first."""
    popular = {"name": "popularity"}
    tasks = {"rank": 0, "interest": 0, "describe": 0, "find": 0}
    train = {"epochs": 30, "learning_rate": 1e-2, "max_length": 2048, "batch_size": 8, "lora": None}
    method = RecExplainer(config(expert=popular, tasks=tasks, train=train, limit_users=16))
    run = run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    assert method.agreement > 0.25  # of 20 candidates


@pytest.mark.parametrize(("limit", "left"), [(8192, 8192 - 4 * 64), (128, 64), (None, None)])
def test_a_list_leaves_room_for_its_answer_and_for_its_prompt(dataset, expert, limit, left):
    own = RecExplainer()
    own.expert = expert
    builder = replace(tasks_of(dataset, expert).next_item, prompt_tokens=limit)
    made = own.tasks(builder, dataset.train_view(), run_context(dataset.catalog))
    assert made.rank.prompt_tokens == left
