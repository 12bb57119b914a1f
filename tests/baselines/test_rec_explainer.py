"""RecExplainer: labels are the expert's answers, and agreement with it is measured."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from baselines import experts
from baselines.experts import ExpertConfig
from baselines.sft.expert_tasks import Mixture, Tasks, item_texts
from baselines.sft.rec_explainer import RecExplainer, agreement
from benchkit.lm.prompts import load_template
from benchkit.lm.teachers import training_questions
from benchkit.protocols import Catalog, Prediction
from benchkit.testing import run_context, toy_dataset
from benchkit.tuning.builders import Builder, as_request

from lm.tiny import tiny_backbone

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
    return training_questions(dataset.train_view(), candidates=10)


def tasks_of(dataset, expert, template="compact", catalog=None):
    from lm.tiny import tiny_tokenizer

    builder = Builder(load_template(template), tiny_tokenizer(), catalog or dataset.catalog)
    return Tasks(
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
    requests = [as_request(question) for question in questions]
    others = 0
    for question, request, scores in zip(questions, requests, tasks.unseen(requests), strict=True):
        example = tasks.next_example(request, scores)
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
        request = as_request(question)
        (scores,) = tasks.unseen([request])
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
        request = as_request(question)
        (scores,) = tasks.unseen([request])
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
    assert item_texts(catalog) == ["One thing", "Jazz", "Jazz"]
    tasks = tasks_of(dataset, expert, catalog=catalog)
    mixture = Mixture(rank=0, interest=0, describe=1, find=1)
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
    one = list(tasks.examples(questions, Mixture(**none)))
    assert len(one) == users
    some = list(tasks.examples(questions, Mixture(**{**none, "rank": 0.5, "interest": 0.25})))
    assert 1.4 * users < len(some) < 2.1 * users
    assert len(list(tasks.examples(questions, Mixture(**{**none, "rank": 1})))) == 2 * users
    assert list(tasks.examples(questions, Mixture())) == list(tasks.examples(questions, Mixture()))


def test_more_examples_a_user_are_of_earlier_histories(dataset, expert, questions):
    tasks = tasks_of(dataset, expert)
    mixture = Mixture(next_item=2, rank=0, interest=0, describe=0, find=0)
    written = list(tasks.examples(questions, mixture))
    earlier = [
        replace(as_request(q), case_id=f"{q.key}#1", history=q.history[:-1])
        for q in questions
        if len(q.history) > 1
    ]
    expected = [
        tasks.next_example(request, scores)
        for request, scores in zip(earlier, tasks.unseen(earlier), strict=True)
    ]
    assert len(earlier) > 10
    assert written[len(questions) :] == expected


def test_labels_do_not_know_the_answers(dataset, expert, questions):
    other = [replace(question, item=question.candidates[0]) for question in questions]
    tasks = tasks_of(dataset, expert)
    assert list(tasks.examples(other, Mixture())) == list(tasks.examples(questions, Mixture()))


def test_an_oracle_agrees_with_the_expert(dataset, expert):
    asked, run = list(dataset.requests(dataset.test, 0, 12)), run_context(dataset.catalog)

    def oracle(requests, run):
        for request, own in zip(requests, experts.scores(expert, requests, run), strict=True):
            best = own.argmax()
            yield Prediction(request.case_id, [float(p == best) for p in range(len(own))])

    def turned(requests, run):
        for request, own in zip(requests, experts.scores(expert, requests, run), strict=True):
            yield Prediction(request.case_id, (-own).tolist())

    def level(requests, run):
        return (Prediction(r.case_id, [1.0] * len(r.candidates)) for r in requests)

    def silent(requests, run):
        return (Prediction(r.case_id, None, status="error") for r in requests)

    assert agreement(oracle, expert, asked, run) == 1
    assert agreement(turned, expert, asked, run) == 0
    assert agreement(level, expert, asked, run) == pytest.approx(1 / 20)
    assert agreement(silent, expert, asked, run) == 0
    assert agreement(oracle, expert, [], run) is None


@pytest.mark.parametrize("template", ["compact", "titles"])
def test_it_is_trained_and_compared_with_its_expert(dataset, template):
    method, run = RecExplainer(config(template=template)), run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    assert 0 <= method.agreement <= 1
    assert "answers of sasrec" in method.remarks[-1]
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
