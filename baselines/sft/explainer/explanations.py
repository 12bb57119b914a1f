"""Explanations after the fact: why the item that a model ranks first is recommended."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchkit.lm.predictor import LMPredictor
from benchkit.lm.types import Decoding, Message, Prompt
from benchkit.types import Catalog, Prediction, Request


def explain_best(
    predictor: LMPredictor,
    requests: Sequence[Request],
    predictions: Sequence[Prediction],
    catalog: Catalog,
    max_tokens: int,
) -> Iterator[Prediction]:
    """Yield the predictions, each with a greedy explanation of its best candidate.

    An explanation is asked for behind the prompt that the ranking has come from, and is None where
    there are no scores or the model says nothing.
    """
    rows = [row for row, prediction in enumerate(predictions) if prediction.scores is not None]
    prompts = []
    for row in rows:
        scores = predictions[row].scores or ()
        best = requests[row].candidates[max(range(len(scores)), key=scores.__getitem__)]
        title = predictor.template.item_title(catalog, best)
        prompts.append(ask_why(predictor.write_prompt(requests[row], catalog), title))
    answers = predictor.engine.generate(prompts, Decoding(max_tokens=max_tokens))
    texts = {
        row: " ".join(answer.completions[0].text.split())
        for row, answer in zip(rows, answers, strict=True)
    }
    for row, prediction in enumerate(predictions):
        yield replace(prediction, rationale=texts.get(row) or None)


def ask_why(prompt: Prompt, title: str) -> Prompt:
    """Return a prompt that asks why an item is recommended, instead of which one is."""
    *before, last = prompt.messages
    question = f"{last.content}\nExplain in one sentence why the recommender prefers {title}.\n"
    return replace(prompt, messages=(*before, Message(last.role, question)))
