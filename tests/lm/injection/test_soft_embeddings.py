"""Vectors of items in prompts: where they stand, what they leave alone, and plain passes."""

from dataclasses import replace

import pytest
import torch

from benchkit.errors import MethodError
from benchkit.lm.injection.soft_embeddings import SoftEmbeddings
from benchkit.lm.injection.soft_prompts import (
    NO_ITEM,
    PLACEHOLDER,
    UNKNOWN,
    SoftPromptEngine,
    SoftPromptPredictor,
    add_placeholder,
    fill_placeholders,
    item_token,
    render_soft_prompt,
    with_placeholders,
)
from benchkit.lm.prompts import load_template
from benchkit.lm.tokenization import prompt_ids, text_ids
from benchkit.lm.types import Decoding
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog, Event, Request
from tests.support.other_architectures import other_model
from tests.support.tiny_models import tiny_model, tiny_tokenizer

TITLES = ["Blue", "Blue Moon", f"Odd {PLACEHOLDER}", "Green", "Red", "Grey"]
CATALOG = Catalog(tuple("abcdef"), {"title": TITLES})
REQUEST = Request("case", "user", tuple(Event(i) for i in "abc"), tuple("edf"))
INDEX = {item: code for code, item in enumerate("abcde")}  # f has no vector


def soft_model(kind="qwen3"):
    """A tiny model with vectors of five items, its tokenizer, and what inserts them."""
    tokenizer = tiny_tokenizer()
    others = ("bloom", "gptj")
    model = other_model(kind, 300) if kind in others else tiny_model(kind)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        projector = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.GELU())
        soft = SoftEmbeddings(torch.randn(5, 4), projector, model.get_input_embeddings())
    soft.attach(model)
    add_placeholder(tokenizer)
    return model, tokenizer, soft


def predictor(model, tokenizer, name="titles"):
    template = with_placeholders(load_template(name))
    engine = SoftPromptEngine(model, tokenizer)
    return SoftPromptPredictor(engine, template, index=INDEX, items=CATALOG.ids)


def plain_inputs(model, soft, ids):
    """[1, t, hidden] the oracle: embeddings put together by hand, position by position."""
    rows = []
    for token in ids:
        if token == NO_ITEM:
            rows.append(model.get_input_embeddings().weight.mean(dim=0))
        elif token > NO_ITEM:
            rows.append(soft.projector(soft.table[token - NO_ITEM - 1]))
        else:
            rows.append(model.get_input_embeddings()(torch.tensor([token]))[0])
    return torch.stack(rows)[None]


def test_placeholders_are_filled_in_order_and_counted():
    assert fill_placeholders([5, 9, 6, 9], 9, [3, UNKNOWN]) == [5, item_token(3), 6, NO_ITEM]
    assert fill_placeholders([5, 6], 9, []) == [5, 6]
    with pytest.raises(MethodError, match="2 placeholders for 1 item"):
        fill_placeholders([9, 9], 9, [0])
    with pytest.raises(MethodError, match="0 placeholders for 1 item"):
        fill_placeholders([5, 6], 9, [0])


@pytest.mark.parametrize(
    ("name", "codes"),
    [("titles", (0, 1, 2, 4, 3, UNKNOWN)), ("papers", (0, 1, 2, 4, 3, UNKNOWN)),
     ("compact", (0, 1, 2))],
)  # fmt: skip
def test_there_is_a_placeholder_for_each_item_in_the_prompt(name, codes):
    tokenizer = tiny_tokenizer()
    placeholder = add_placeholder(tokenizer)
    template = with_placeholders(load_template(name))
    prompt = render_soft_prompt(template, REQUEST, CATALOG, INDEX, lambda text: len(text))
    assert prompt.codes == codes
    ids = prompt_ids(tokenizer, prompt)
    assert ids.count(placeholder) == len(codes)  # the one in a title is spelt
    filled = fill_placeholders(ids, placeholder, prompt.codes)
    assert [i - NO_ITEM - 1 for i in filled if i >= NO_ITEM] == list(codes)


def test_what_is_left_out_of_the_history_has_no_placeholder():
    tokenizer = tiny_tokenizer()
    add_placeholder(tokenizer)
    template = with_placeholders(load_template("compact"))
    budget = len("Blue Moon") + len("Odd ") + len(PLACEHOLDER) + 2 * len(" \n")
    prompt = render_soft_prompt(
        template, REQUEST, CATALOG, INDEX, lambda t: len(text_ids(tokenizer, t)), budget
    )
    assert prompt.codes == (1, 2)
    empty = replace(REQUEST, history=())
    assert render_soft_prompt(template, empty, CATALOG, INDEX, len).codes == ()


@pytest.mark.parametrize(("name", "limit"), [("compact", 2), ("titles", 1)])
def test_the_history_can_be_limited(name, limit):
    template = with_placeholders(load_template(name), limit)
    shorter = with_placeholders(template, 5)
    for layout in (template, shorter):
        prompt = render_soft_prompt(layout, REQUEST, CATALOG, INDEX, len)
        assert prompt.codes[:limit] == (0, 1, 2)[3 - limit :]
        assert PLACEHOLDER not in load_template(name).history.end


def test_a_template_with_the_candidates_first_has_its_codes_in_that_order():
    layout = load_template("titles").model_copy(update={"user": "{candidates}{history}"})
    prompt = render_soft_prompt(with_placeholders(layout), REQUEST, CATALOG, INDEX, len)
    assert prompt.codes == (4, 3, UNKNOWN, 0, 1, 2)


def test_vectors_stand_where_items_do_and_nothing_else_changes():
    model, _, soft = soft_model()
    before = model.get_input_embeddings().weight.detach().clone()
    ids = torch.tensor([[7, item_token(2), 8], [item_token(4), NO_ITEM, 9]])
    embedded = model.get_input_embeddings()(ids)
    expected = soft.projector(soft.table)
    torch.testing.assert_close(embedded[0, 1], expected[2], atol=1e-6, rtol=0)
    torch.testing.assert_close(embedded[1, 0], expected[4], atol=1e-6, rtol=0)
    torch.testing.assert_close(embedded[1, 1], before.mean(dim=0))
    assert embedded[0, 0].equal(before[7]) and embedded[0, 2].equal(before[8])
    assert embedded[1, 2].equal(before[9])
    assert model.get_input_embeddings().weight.equal(before)


def test_gradients_reach_the_projector_through_items_alone():
    model, _, soft = soft_model()
    text = torch.tensor([[7, NO_ITEM, 8]])
    model(input_ids=text).logits.sum().backward()
    assert all(parameter.grad is None for parameter in soft.projector.parameters())
    model(input_ids=text.masked_fill(text == NO_ITEM, item_token(0))).logits.sum().backward()
    assert soft.projector[0].weight.grad.abs().sum() > 0
    assert not soft.table.requires_grad


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3", "gemma3-vision", "bloom", "gptj"])
@torch.no_grad()
def test_scores_equal_those_of_plain_passes_with_embeddings(kind):
    model, tokenizer, soft = soft_model(kind)
    asker = predictor(model, tokenizer)
    other = replace(REQUEST, case_id="other", history=REQUEST.history[:1])
    answers = list(asker.predict([REQUEST, other], run_context(CATALOG)))
    for request, answer in zip((REQUEST, other), answers, strict=True):
        ids = asker.engine._ids(asker._prompt(request, CATALOG))
        for item, score in zip(request.candidates, answer.scores, strict=True):
            title = asker.template.item_title(CATALOG, item)
            response = [*text_ids(tokenizer, title), tokenizer.eos_token_id]
            inputs = plain_inputs(model, soft, [*ids, *response])
            logprobs = model(inputs_embeds=inputs).logits[0].log_softmax(dim=-1)
            places = torch.arange(len(ids) - 1, len(ids) + len(response) - 1)
            expected = logprobs[places, torch.tensor(response)].sum().item()
            assert score == pytest.approx(expected, abs=2e-4)


@torch.no_grad()
def test_generated_answers_equal_those_of_plain_passes():
    model, tokenizer, soft = soft_model()
    asker = predictor(model, tokenizer, "compact")
    prompt = asker._prompt(REQUEST, CATALOG)
    (answer,) = asker.engine.generate([prompt], Decoding(max_tokens=6))
    ids = asker.engine._ids(prompt)
    tokens = []
    for _ in range(6):
        logits = model(inputs_embeds=plain_inputs(model, soft, [*ids, *tokens])).logits
        tokens.append(int(logits[0, -1].argmax()))
    assert answer.completions[0].text == tokenizer.decode(tokens)
