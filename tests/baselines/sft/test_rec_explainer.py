"""RecExplainer: labels are the expert's answers, and agreement with it is measured."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from baselines import experts, list_answers
from baselines.cf.scoring import history_codes
from baselines.experts import ExpertConfig
from baselines.sft.explainer.agreement import expert_agreement
from baselines.sft.explainer.expert_examples import make_tasks, training_examples
from baselines.sft.explainer.expert_vectors import align_template
from baselines.sft.explainer.explanations import ask_why
from baselines.sft.explainer.item_tasks import ItemTasks
from baselines.sft.explainer.task_mixture import TaskMixture
from baselines.sft.explainer.user_vectors import UserVectors
from baselines.sft.rec_explainer import RecExplainer
from benchkit.errors import ConfigError
from benchkit.lm.injection.soft_prompts import NO_ITEM, PLACEHOLDER, add_placeholder, item_token
from benchkit.lm.prompts import load_template
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.lm.types import Message, Prompt
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.item_tasks import item_descriptions
from benchkit.types import Catalog, Prediction
from tests.support.tiny_models import tiny_backbone, tiny_model

torch = pytest.importorskip("torch")

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


def tasks_of(dataset, expert, template="compact", catalog=None, alignment="behaviour"):
    from tests.support.tiny_models import tiny_tokenizer

    catalog, tokenizer = catalog or dataset.catalog, tiny_tokenizer()
    add_placeholder(tokenizer)
    builder = ExampleBuilder(load_template(template), tokenizer, catalog)
    users = UserVectors(catalog.index, len(catalog))
    return make_tasks(expert, builder, alignment, None, users, run_context(dataset.catalog))


def spelled(tasks, ids):
    words = [i for i in ids if i < NO_ITEM]  # the others are vectors
    return tasks.next_item.tokenizer.decode(words, skip_special_tokens=True)


def vectors_in(ids):
    """Codes of the vectors in a prompt."""
    return [i - item_token(0) for i in ids if i >= NO_ITEM]


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


def test_lists_of_long_titles_get_all_the_room_there_is_or_are_left_out(dataset, expert, questions):
    tasks = tasks_of(dataset, expert)
    request = to_request(questions[0])
    (scores,) = tasks.unseen_scores([request])
    whole = tasks.rank_example(request, scores)
    narrow = replace(tasks.rank, prompt_tokens=8)
    roomy = replace(tasks, rank=narrow)  # half the context is too little, all of it is enough
    assert roomy.rank_example(request, scores) == whole
    full = replace(roomy, next_item=replace(tasks.next_item, prompt_tokens=8))
    assert full.rank_example(request, scores) is None


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
    items = ItemTasks(tasks.next_item, tasks.run, None)
    mixture = TaskMixture(describe=1, find=1, name=1, similar=1)
    pairs = [
        (spelled(tasks, e.prompt), spelled(tasks, e.response))
        for e in items.examples(mixture, 1000)
    ]
    assert pairs == [
        ("Describe this:\nA\n", "One thing"),
        ("What is this?\nOne thing\n", "A"),
        ("Describe this:\nB\n", "Jazz"),
        ("Describe this:\nC\n", "Jazz"),  # two items have the text: none is asked for by it
    ]


def test_the_mixture_says_how_many_examples_there_are(dataset, expert, questions):
    tasks, users = tasks_of(dataset, expert), len(questions)
    none = {"rank": 0, "interest": 0, "summarize": 0}
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
    mixture = TaskMixture(next_item=2, rank=0, interest=0, summarize=0)
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


@pytest.mark.parametrize("alignment", ["behaviour", "intention", "hybrid"])
def test_labels_do_not_know_the_answers(dataset, expert, questions, alignment):
    other = [replace(question, item=question.candidates[0]) for question in questions]
    tasks = tasks_of(dataset, expert, alignment=alignment)
    assert list(tasks.examples(other, TaskMixture())) == list(
        tasks.examples(questions, TaskMixture())
    )


# Vectors in prompts


@pytest.mark.parametrize("template", ["compact", "titles"])
@pytest.mark.parametrize("alignment", ["intention", "hybrid"])
def test_vectors_stand_for_the_user_and_the_candidates(
    dataset, expert, questions, template, alignment
):
    tasks = tasks_of(dataset, expert, template, alignment=alignment)
    builder = tasks.next_item
    request = to_request(questions[0])
    prompt = builder.prompt(request)
    user, *items = vectors_in(prompt)
    assert user == builder.users.code(request) == len(dataset.catalog)
    index = dataset.catalog.index
    shown = [index[item] for item in request.candidates] if template == "titles" else []
    assert items == shown
    first = dataset.catalog.text(request.history[0].item)
    assert (first in spelled(tasks, prompt)) == (alignment == "hybrid")
    other = to_request(questions[1])
    assert vectors_in(builder.prompt(other))[0] == len(dataset.catalog) + 1
    assert vectors_in(builder.prompt(request))[0] == user  # the same again
    unknown = replace(request, case_id="new", history=())
    assert vectors_in(builder.prompt(unknown))[0] == -1
    assert [len(h) for h in builder.users.histories] == [len(r.history) for r in (request, other)]


def test_each_task_has_its_vectors(dataset, expert, questions):
    tasks = tasks_of(dataset, expert, alignment="hybrid")
    request, catalog = to_request(questions[0]), dataset.catalog
    (scores,) = tasks.unseen_scores([request])
    assert len(vectors_in(tasks.rank_example(request, scores).prompt)) == 1 + 5
    assert len(vectors_in(tasks.interest_example(request, scores).prompt)) == 1 + 1
    history = tasks.history_example(request)
    assert len(vectors_in(history.prompt)) == 1
    titles = [catalog.text(event.item) for event in request.history[-9:]]
    assert spelled(tasks, history.response) == "".join(list_answers.list_pieces(titles))
    assert titles[0] not in spelled(tasks, history.prompt)
    summary = tasks.summary_example(request, CatalogFacts(catalog))
    assert spelled(tasks, summary.response).startswith("choices so far: ")
    assert spelled(tasks, summary.prompt).endswith("Who is this?\n")
    items = ItemTasks(tasks.next_item, tasks.run, expert.item_embeddings.numpy())
    name = items.name(3)
    assert vectors_in(name.prompt) == [3]
    assert spelled(tasks, name.response) == catalog.text(catalog.ids[3])
    assert catalog.text(catalog.ids[3]) not in spelled(tasks, name.prompt)


def test_without_vectors_there_is_no_task_about_them(dataset, expert, questions):
    tasks = tasks_of(dataset, expert)
    assert tasks.history_example(to_request(questions[0])) is None
    assert ItemTasks(tasks.next_item, tasks.run, None).name(0) is None
    assert ItemTasks(tasks.next_item, tasks.run, None).similar(0) is None
    for example in training_examples(tasks, questions, TaskMixture(), 1000):
        assert not vectors_in(example.prompt)


def test_similar_items_have_the_nearest_vectors(dataset):
    catalog = Catalog(tuple("abcd"), {"title": ["A", "B", "C", "D"]})
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1], [1.0, 1.0]], dtype=np.float32)
    tasks = tasks_of(dataset, None, catalog=catalog)
    example = ItemTasks(tasks.next_item, tasks.run, vectors).similar(0)
    assert spelled(tasks, example.prompt) == "Similar to this:\nA\n"
    assert spelled(tasks, example.response) == "1. C\n2. D\n3. B"


def test_dialogues_are_mixed_in(dataset, expert, tmp_path):
    path = tmp_path / "dialogues.json"
    path.write_text('[{"instruction": "Greet.", "output": "Hi"}]')
    none = dict.fromkeys(("describe", "find", "name", "similar"), 0)
    mixture = TaskMixture(dialogues=path, **none)
    tasks = tasks_of(dataset, expert)
    (example,) = ItemTasks(tasks.next_item, tasks.run, None).examples(mixture, 1000)
    assert spelled(tasks, example.prompt) == "Greet.\n" and mixture.dialogues_hash
    assert spelled(tasks, example.response) == "Hi"


def attached_table(expert, dataset):
    from baselines.sft.explainer.connectors import VectorTable

    model = tiny_model("qwen3")
    return model, VectorTable(expert, model, run_context(dataset.catalog))


def test_a_connector_maps_each_vector_into_the_model(dataset, expert, questions):
    model, table = attached_table(expert, dataset)
    histories = [history_codes(to_request(q), dataset.catalog.index) for q in questions[:3]]
    table.load_users(histories)
    before = model.get_input_embeddings().weight.clone()
    n_items = len(dataset.catalog)
    ids = torch.tensor([[5, item_token(2), 7, item_token(n_items + 1)]])
    embedded = model.get_input_embeddings()(ids)
    item = table.soft.projector.item(expert.item_embeddings[2])
    user = table.soft.projector.user(expert.user_states(histories)[1])
    torch.testing.assert_close(embedded[0, 1], item, atol=1e-6, rtol=0)
    torch.testing.assert_close(embedded[0, 3], user, atol=1e-6, rtol=0)
    torch.testing.assert_close(embedded[0, [0, 2]], before[[5, 7]])
    assert table.soft.projector.item[0].out_features == 16  # half of the width
    assert torch.equal(before, model.get_input_embeddings().weight)
    embedded[0, 1].sum().backward()
    connectors = table.soft.projector
    assert connectors.item[0].weight.grad.abs().sum() > 0
    assert connectors.user[0].weight.grad.abs().sum() == 0
    assert not table.soft.table.requires_grad


# Agreement


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


@pytest.mark.parametrize("alignment", ["behaviour", "intention", "hybrid"])
@pytest.mark.parametrize("template", ["compact", "titles"])
def test_it_is_trained_and_compared_with_its_expert(dataset, template, alignment):
    method = RecExplainer(config(template=template, alignment=alignment))
    run = run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    assert 0 <= method.agreement <= 1
    assert "answers of sasrec" in method.caveats[-1]
    asked = list(dataset.requests(dataset.test, 0, 3))
    whole = list(method.predict(asked, run))
    for prediction in whole:
        assert len(prediction.scores) == len(prediction.lengths) == 20
        assert prediction.rationale is None
    (alone,) = method.predict(asked[1:2], run)
    np.testing.assert_allclose(alone.scores, whole[1].scores, atol=1e-4)


def test_intention_knows_the_user_by_the_vector_alone(dataset):
    method = RecExplainer(config(alignment="intention"))
    run = run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    request = next(dataset.requests(dataset.test, 0, 1))
    predictor = method._predictor_of([request], run)
    prompt = predictor.write_prompt(request, dataset.catalog)
    assert prompt.messages[-1].content == PLACEHOLDER + "\n"
    (with_user,) = method.predict([request], run)
    other = replace(request, history=request.history[:1])
    (without,) = method.predict([other], run)
    assert with_user.scores != without.scores


def test_connectors_are_trained_beside_an_adapter(dataset):
    lora = {**TRAIN, "lora": {"r": 2, "targets": ["q_proj"]}}
    method = RecExplainer(config(train=lora))
    run = run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    _, untrained = attached_table(method.expert, dataset)
    first = {n: p.detach().clone() for n, p in untrained.soft.named_parameters()}
    last = dict(method.table.soft.named_parameters())
    assert first.keys() == last.keys()
    assert all(not torch.equal(first[name], last[name]) for name in first)


def test_it_explains_what_it_has_ranked_first(dataset):
    method = RecExplainer(config(explain=True, rationale_tokens=4))
    run = run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    assert "explains" in method.capabilities
    asked = list(dataset.requests(dataset.test, 0, 2))
    plain = RecExplainer(config(explain=False))
    plain.fit(dataset.train_view(), run_context(dataset.catalog))
    for prediction, other in zip(
        method.predict(asked, run), plain.predict(asked, run), strict=True
    ):
        np.testing.assert_allclose(prediction.scores, other.scores, atol=1e-5)
        assert prediction.rationale is None or len(prediction.rationale) <= 8
    # Answers that are read later are about their own users, too.
    requests = list(dataset.requests(dataset.test, 0, 16))
    slices = [requests[:8], requests[8:]]
    at_once = [list(method.predict(part, run)) for part in slices]
    assert [list(part) for part in [method.predict(part, run) for part in slices]] == at_once
    prompt = ask_why(Prompt("x", (Message("user", "A\n"),)), "B")
    assert prompt.messages[0].content.endswith("why the recommender prefers B.\n")


def test_an_expert_without_vectors_is_refused():
    with pytest.raises(ConfigError, match="has no vectors"):
        RecExplainer(config(expert={"name": "popularity"}))
    RecExplainer(config(expert={"name": "popularity"}, alignment="behaviour"))
    with pytest.raises(ConfigError, match="one process"):
        RecExplainer(config(train={"processes": 2, "batch_size": 8}))


@pytest.mark.parametrize("alignment", ["behaviour", "hybrid"])
def test_the_history_has_at_most_so_many_items(alignment):
    template = align_template(load_template("titles"), alignment, 9)
    assert template.history.max_events == 9
    assert align_template(template, alignment, 20).history.max_events == 9
    assert align_template(load_template("titles"), alignment).history.max_events is None


def test_the_settings_are_those_of_the_paper():
    assert RecExplainer.Config(backbone="x").max_history == 9
    assert RecExplainer.Config().max_history is None
    settings = RecExplainer.Config(backbone="x").training_defaults
    assert (settings["epochs"], settings["batch_size"], settings["learning_rate"]) == (20, 64, 1e-4)
    lora = settings["lora"]
    assert (lora.r, lora.alpha, lora.dropout) == (16, 32, 0.05)
    assert lora.targets == ("q_proj", "k_proj", "v_proj", "o_proj")


def test_it_learns_what_the_expert_prefers(dataset):
    """Overfitted to the most popular item, it ranks that item first."""
    popular = {"name": "popularity"}
    tasks = {"rank": 0, "interest": 0, "describe": 0, "find": 0, "summarize": 0, "similar": 0}
    train = {"epochs": 30, "learning_rate": 1e-2, "max_length": 2048, "batch_size": 8, "lora": None}
    method = RecExplainer(
        config(expert=popular, alignment="behaviour", tasks=tasks, train=train, limit_users=16)
    )
    run = run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    assert method.agreement > 0.25  # of 20 candidates


@pytest.mark.parametrize(("limit", "left"), [(8192, 8192 - 4 * 64), (128, 64), (None, None)])
def test_a_list_leaves_room_for_its_answer_and_for_its_prompt(dataset, expert, limit, left):
    builder = replace(tasks_of(dataset, expert).next_item, prompt_tokens=limit)
    users = UserVectors(dataset.catalog.index, len(dataset.catalog))
    tasks = make_tasks(expert, builder, "behaviour", None, users, run_context(dataset.catalog))
    assert tasks.rank.prompt_tokens == left
