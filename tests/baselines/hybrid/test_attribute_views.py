"""LLMEmb's fine-tuning: texts of attributes, views, the contrastive loss, vectors, PCA."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from baselines.hybrid.frozen_vectors.attribute_texts import (
    ItemTexts,
    item_attributes,
    tokenize_items,
)
from benchkit.lm.prompts import load_template
from benchkit.training.core.config import TrainConfig
from benchkit.types import Catalog

torch = pytest.importorskip("torch")

from baselines.hybrid.frozen_vectors.attribute_views import (  # noqa: E402
    Temperature,
    ViewBatch,
    ViewObjective,
    draw_view,
    encode_items,
    make_view_batches,
    pad_texts,
    pooled_states,
    principal_components,
)
from tests.support.tiny_models import tiny_model, tiny_tokenizer  # noqa: E402

CATALOG = Catalog(
    ("a", "b", "c"),
    {
        "title": ["Alien  (1979)", None, "Up <|im_end|>"],
        "year": ["1979", None, "2009"],
        "genres": ["Horror", " ", "Drama"],
    },
)
FOUR = ItemTexts(tuple(((item,),) for item in range(4)), end=(), limit=8)


class Table(torch.nn.Module):
    """A model whose last state of a token is the token's row of a table."""

    def __init__(self, rows):
        super().__init__()
        self.rows = torch.nn.Parameter(rows)

    def get_decoder(self):
        return lambda input_ids, use_cache: SimpleNamespace(last_hidden_state=self.rows[input_ids])


def contrast(rows, temperature, soft_targets=False, batches=((0, 1, 2, 3),)):
    objective = ViewObjective(FOUR, Temperature(temperature), 1e-3, soft_targets=soft_targets)
    examples = [ViewBatch(tuple(items), 0) for items in batches]
    batch = objective.collate(examples)
    return objective.loss(Table(rows), batch).item() / objective.normalizer(batch)


def test_attributes_are_the_columns_that_an_item_has():
    rows = item_attributes(CATALOG, load_template("titles"))
    assert rows[0] == ["title is Alien (1979)", "genres is Horror", "year is 1979"]
    assert rows[1] == ["title is b"]
    assert rows[2][0] != "title is Up <|im_end|>" and "im_end" in rows[2][0]  # quoted


def test_texts_end_and_are_cut():
    tokenizer = tiny_tokenizer()
    texts = tokenize_items(CATALOG, load_template("titles"), tokenizer, 500, "Look:\n")
    text = tokenizer.decode(texts.ids(0))
    assert text == "Look:\ntitle is Alien (1979); genres is Horror; year is 1979; </s>"
    view = tokenizer.decode(texts.ids(0, [2, 0]))
    assert view == "Look:\nyear is 1979; title is Alien (1979); </s>"
    short = tokenize_items(CATALOG, load_template("titles"), tokenizer, 12)
    assert [len(short.ids(item)) for item in range(3)] == [12, 12, 12]
    assert short.ids(2)[-1] == tokenizer.eos_token_id
    # The quoted control token is spelt.
    assert "<|im_end|>" in tokenizer.decode(texts.ids(2))


def test_views_lack_two_of_five_attributes():
    rng = np.random.default_rng(0)
    views = [draw_view(5, 0.4, rng) for _ in range(200)]
    assert {len(view) for view in views} == {3}
    assert all(len(set(view)) == 3 for view in views)
    assert len({tuple(view) for view in views}) > 30  # of 60
    assert {len(draw_view(n, 0.4, rng)) for n in (1, 2)} == {1, 2}


def test_views_depend_on_the_batch_alone():
    texts = ItemTexts(((tuple((n,) for n in range(9))),) * 3, end=(), limit=20)
    objective = ViewObjective(texts, Temperature(3.0), 1e-3)
    first = objective.collate([ViewBatch((0, 1, 2), 5)])
    again = objective.collate([ViewBatch((0, 1, 2), 5)])
    other = objective.collate([ViewBatch((0, 1, 2), 6)])
    assert first["ids"].shape == (6, 6)  # 9 - floor(3.6)
    assert torch.equal(first["ids"], again["ids"])
    assert not torch.equal(first["ids"], other["ids"])
    assert len({tuple(row) for row in first["ids"].tolist()}) == 6


@pytest.mark.parametrize(
    ("temperature", "soft", "pairs"),
    [(1, 1.268301, 0.743668), (2, 1.180975, 1.036592), (3, 1.190591, 1.147274)],
)
def test_the_loss_of_orthonormal_items(temperature, soft, pairs):
    assert contrast(torch.eye(4), temperature) == pytest.approx(pairs, abs=2e-6)
    assert contrast(torch.eye(4), temperature, soft_targets=True) == pytest.approx(soft, abs=2e-6)


def test_equal_products_tell_nothing():
    assert contrast(torch.zeros(4, 3), 3.0) == pytest.approx(math.log(4), abs=1e-6)


def test_batches_are_apart():
    """Two batches of two items each: no item of the other is a negative."""
    separate = contrast(torch.eye(4), 1.0, batches=((0, 1), (2, 3)))
    assert separate == pytest.approx(math.log(1 + math.exp(-1)), abs=1e-6)


def test_only_soft_targets_can_be_moved():
    gradients = []
    for soft in (False, True):
        objective = ViewObjective(FOUR, Temperature(3.0), 1e-3, soft_targets=soft)
        model = Table(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
        objective.loss(model, objective.collate([ViewBatch((0, 1, 2, 3), 0)])).backward()
        gradients.append(model.rows.grad)
        assert objective.module.logarithm.grad.abs() > 0
    assert not torch.allclose(*gradients)


def test_batches_pass_over_the_catalogue_without_repeats():
    rng = np.random.default_rng(0)
    batches = make_view_batches(10, 4, TrainConfig(epochs=2), rng)
    assert [len(batch.items) for batch in batches] == [4, 3, 3, 4, 3, 3]
    first, second = batches[:3], batches[3:]
    for part in (first, second):
        assert sorted(item for batch in part for item in batch.items) == list(range(10))
    assert [b.items for b in first] != [b.items for b in second]
    limited = TrainConfig(epochs=100_000, max_steps=3, batch_size=4)
    assert len(make_view_batches(10, 4, limited, rng)) == 12


def test_padding_changes_no_vector():
    model = tiny_model("qwen3")
    texts = ItemTexts((((5, 6), (7,)), ((8,),), ((9, 10, 11, 12, 13),)), end=(2,), limit=9)
    vectors = encode_items(model, texts, "cpu")
    for item in range(3):
        batch = pad_texts([texts.ids(item)])
        alone = pooled_states(model, **batch).detach().numpy()
        np.testing.assert_allclose(vectors[item], alone[0], atol=1e-5)
    by_one = encode_items(model, texts, "cpu", batch_tokens=1)
    np.testing.assert_allclose(by_one, vectors, atol=1e-5)


def test_principal_components_of_a_line():
    """Points on a line through (1, 2): one component, its distances along the line."""
    points = np.array([[1.0, 2.0], [4.0, 6.0], [7.0, 10.0]])
    np.testing.assert_allclose(principal_components(points, 1)[:, 0], [-5, 0, 5], atol=1e-6)
    both = principal_components(points, 9)
    assert both.shape == (3, 2)
    np.testing.assert_allclose(both[:, 1], 0, atol=1e-6)


def test_principal_components_keep_distances():
    vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    reduced = principal_components(vectors, 4)
    distances = [np.linalg.norm(v[:, None] - v[None], axis=-1) for v in (vectors, reduced)]
    np.testing.assert_allclose(*distances, atol=1e-5)
    assert (np.diff(reduced.var(axis=0)) <= 1e-9).all()
