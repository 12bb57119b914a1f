"""GRAM: prompts, fusion, and the recommender as a whole."""

import numpy as np
import pytest
import torch

from baselines.hybrid.gram import GRAM
from baselines.hybrid.item_ids.fusion import FusionObjective, fuse
from baselines.hybrid.item_ids.gram_prompts import (
    PAPER_WORDS,
    GramPrompts,
    similar_items,
    write_prompts,
)
from baselines.hybrid.item_ids.kmeans import check_id_space
from baselines.hybrid.item_ids.training_rows import TrainingRow, next_item_examples
from benchkit.errors import ConfigError, DataError
from benchkit.lm.encoder_decoder.t5 import train_word_tokenizer
from benchkit.lm.encoder_decoder.teacher_forcing import Encoded, decode_logits
from benchkit.lm.tokens.trie import Trie
from benchkit.types import Interactions, Request
from tests.support.planted_world import (
    EXPERT,
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)
from tests.support.tiny_encoder_decoder import SMALL_T5, tiny_t5, tiny_t5_folder
from tests.support.tiny_models import tiny_backbone

SMALL = {
    "tiny": SMALL_T5,
    "text_encoder": "tf-idf",
    "expert": {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1}},
    "train": {"epochs": 1, "max_steps": 4},
    "branch": 4,
    "validation_cases": 8,
}

# Similar items


def test_similar_items_are_those_with_the_highest_cosine():
    vectors = np.array([[1, 0], [5, 0.1], [0, 1], [0, 7], [-1, 0]])
    known = np.array([True, True, True, True, False])
    similar = similar_items(vectors, 2, known)
    assert similar[:, 0].tolist() == [1, 0, 3, 2, 2]  # the last is nobody's, but has some
    assert all(code not in row for code, row in enumerate(similar.tolist()))
    assert similar_items(vectors, 9, known).shape == (5, 3)


def test_an_empty_list_of_similar_items_is_refused():
    with pytest.raises(DataError, match="no item has a similar one: 1 of the catalogue's items"):
        similar_items(np.eye(3), 5, np.array([True, False, False]))


# Prompts


def test_prompts_of_users_and_items():
    texts = ["alpha one", "beta </s> two"]
    words = " ".join(PAPER_WORDS)
    tokenizer = train_word_tokenizer(texts, 100, words)
    alpha, beta = tokenizer.convert_tokens_to_ids(["alpha", "beta"])
    prompts = write_prompts(
        [(alpha,), (beta,)], np.array([[1], [0]]), texts, tokenizer, PAPER_WORDS, 2, 30
    )
    assert tokenizer.decode(prompts.user([0, 0, 1])) == (
        "what would user purchase after beta alpha ? </s>"
    )
    assert tokenizer.decode(prompts.items[0]) == (
        "item : alpha ; similar items : beta ; text : alpha one </s>"
    )
    assert prompts.items[1].count(tokenizer.eos_token_id) == 1  # that of a title is text
    short = write_prompts(
        [(alpha,), (beta,)], np.array([[1], [0]]), texts, tokenizer, PAPER_WORDS, 2, 6
    )
    assert all(len(prompt) == 6 and prompt[-1] == 1 for prompt in short.items)


def test_each_next_item_is_an_example_once():
    offsets = np.array([0, 4, 5])
    rows = Interactions(np.zeros(5, np.int32), np.arange(5, dtype=np.int32), offsets)
    expected = [TrainingRow(0, 1), TrainingRow(0, 2), TrainingRow(1, 3)]
    assert next_item_examples(rows, history=2) == expected


# Fusion


def fusion(passages=3):
    ids = [(token,) for token in range(5, 11)]
    items = [(5, 6, 1), (7, 1), (8, 9, 5, 1), (9, 1), (6, 7, 1), (10, 1)]
    prompts = GramPrompts(ids, items, (), (1,), history=4)
    answers = [(*tokens, 1) for tokens in ids]
    return FusionObjective(prompts, np.arange(6, dtype=np.int32), answers, passages, 16, 1e-3)


def test_the_newest_items_have_passages():
    objective = fusion()
    batch = objective.collate([TrainingRow(0, 5), TrainingRow(0, 1)])
    assert batch["user"].tolist() == [[9, 8, 7, 6, 1], [5, 1, 0, 0, 0]]  # four, newest first
    codes = [[4, 3, 2], [0, -1, -1]]
    passages = [[objective.prompts.items[c] if c >= 0 else None for c in row] for row in codes]
    for row, places in zip(passages, batch["places"].tolist(), strict=True):
        shown = [tuple(batch["items"][p].tolist()) if p >= 0 else None for p in places]
        assert [s and s[: len(r)] for s, r in zip(shown, row, strict=True)] == row
    assert batch["answers"].tolist() == [[10, 1], [6, 1]]
    assert objective.normalizer(batch) == 4
    empty = objective.collate_histories([np.array([], dtype=np.int64)])
    assert empty["user"].tolist() == [[1]] and len(empty["items"]) == 0


def logits_of(model, passages, positions):
    with torch.no_grad():
        return decode_logits(model, fuse(passages, positions), torch.tensor([[5, 6, 1]]))


def test_the_order_of_passages_matters_by_their_vectors_alone():
    model = tiny_t5()
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(1, size, 16, generator=generator) for size in (3, 5, 4)]
    passages = [Encoded(s, torch.ones(s.shape[:2], dtype=torch.long)) for s in states]
    order = [passages[2], passages[0], passages[1]]
    without = torch.zeros(3, 16)
    plain, permuted = (logits_of(model, some, without) for some in (passages, order))
    torch.testing.assert_close(plain, permuted, atol=1e-5, rtol=1e-5)
    vectors = torch.randn(3, 16, generator=generator)
    plain, permuted = (logits_of(model, some, vectors) for some in (passages, order))
    assert (plain - permuted).abs().max() > 1e-2


def test_a_missing_passage_is_not_read():
    objective, model = fusion(), tiny_t5()
    torch.nn.init.normal_(objective.module.weight)
    one = np.array([3])
    alone = objective.encode(model, objective.collate_histories([one]))
    beside = objective.encode(model, objective.collate_histories([one, np.array([1, 2, 0])]))
    first, second = alone.mask[0], beside.mask[0]
    torch.testing.assert_close(
        alone.states[0][first == 1], beside.states[0][second == 1], atol=1e-5, rtol=1e-5
    )


# The recommender


def fitted(dataset, folder, **config):
    run = learning_run(folder, dataset)
    method = GRAM(GRAM.Config(**{**SMALL, **config}))
    method.fit(dataset.train_view(), run)
    return method, run


def test_ids_are_unique_and_the_trie_holds_the_candidates(tmp_path):
    dataset = planted_world()
    method, _ = fitted(dataset, tmp_path)
    assert len(set(method.answers)) == len(dataset.catalog)
    assert all(answer[-1] == 1 and len(answer) > 1 for answer in method.answers)
    request = next(iter(dataset.requests(dataset.test, 0, 1)))
    options = method.options(request)
    todo, leaves = [(Trie.from_options(options), ())], {}
    while todo:
        node, prefix = todo.pop()
        leaves |= {prefix: node.ends} if node.ends else {}
        todo += [(child, (*prefix, token)) for token, child in node.children.items()]
    assert {tuple(option): [number] for number, option in enumerate(options)} == leaves


def test_a_beam_over_all_candidates_ranks_as_their_scores(tmp_path):
    dataset = planted_world()
    method, run = fitted(dataset, tmp_path)
    requests = list(dataset.requests(dataset.test, 0, 4))
    plain = [answer.scores for answer in method.predict(requests, run)]
    beam, narrow = (
        method.config.model_copy(update={"inference": "beam", "beam": width}) for width in (30, 2)
    )
    method.config = beam
    np.testing.assert_allclose([a.scores for a in method.predict(requests, run)], plain, atol=1e-4)
    method.config = narrow
    assert all(a.partial and np.isinf(a.scores).any() for a in method.predict(requests, run))


def test_it_runs_on_a_model_of_hugging_face(tmp_path):
    dataset = planted_world()
    method, run = fitted(dataset, tmp_path, backbone=tiny_t5_folder(), passages=2, item_tokens=16)
    (answer,) = method.predict(list(dataset.requests(dataset.test, 0, 1)), run)
    assert np.isfinite(answer.scores).all()
    assert method.caveats[0].startswith("backbone /")
    assert GRAM.Config(backbone="hf").source == "t5-small"
    assert GRAM().caveats == (
        "backbone nano: a tiny T5, trained from scratch on this dataset alone",
    )


def test_ids_are_as_many_as_leaves():
    check_id_space(16, 4, 2)
    with pytest.raises(ConfigError, match="17 items are more than ids of 2 levels"):
        check_id_space(17, 4, 2)


def test_errors_come_before_training(tmp_path):
    dataset = planted_world()
    with pytest.raises(ConfigError, match="is no encoder-decoder"):
        fitted(dataset, tmp_path, backbone=tiny_backbone())
    with pytest.raises(ConfigError, match="80 items are more than ids of 2 levels with 4 branches"):
        fitted(dataset, tmp_path, depth=2)
    with pytest.raises(ConfigError, match="expert 'popularity' has no item vectors"):
        fitted(dataset, tmp_path, expert={"name": "popularity"})
    assert not list(tmp_path.glob("gram"))


@pytest.mark.slow
def test_it_learns_the_genres(tmp_path):
    dataset = planted_world(users=200)
    method, run = fitted(
        dataset, tmp_path,
        tiny={**SMALL_T5, "hidden": 32}, branch=8, expert=EXPERT, validation_cases=60,
        train={"epochs": 8, "batch_size": 32, "evaluate_every": 4},
    )  # fmt: skip
    assert standard_errors_above_chance(method, dataset, run) > 3
    assert falls(run.progress.of("gram steps"), to=0.5)
    request = next(iter(dataset.requests(dataset.test, 0, 1)))
    unknown = Request("new", "nobody", (), request.candidates)
    assert np.isfinite(next(iter(method.predict([unknown], run))).scores).all()
