"""The probability of Yes as a score, and the AUC by which weights are selected."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.sft.rated_questions import RatedQuestion
from baselines.sft.yes_no import YesNoWriter
from benchkit.lm.types import Engine
from benchkit.types import Catalog, Prediction, Request


@dataclass(frozen=True)
class YesNoScorer:
    """Score candidates by a trained model."""

    engine: Engine
    writer: YesNoWriter

    def predict(self, requests: Sequence[Request], catalog: Catalog) -> Iterator[Prediction]:
        """Predict the probability of Yes for each candidate."""
        yes, no = self.writer.answer_endings()
        prompts = [self.writer.prompt(request, catalog) for request in requests]
        continuations = []
        for request in requests:
            questions = [self.writer.question(item, catalog) for item in request.candidates]
            continuations.append([q + yes for q in questions] + [q + no for q in questions])
        answers = self.engine.score(prompts, continuations, end=False)
        for request, scored in zip(requests, answers, strict=True):
            if scored.logprobs is None:
                yield Prediction(
                    request.case_id, None, status="error", usage=scored.usage, fault=scored.fault
                )
                continue
            scores = yes_probability(*np.split(scored.logprobs, 2))
            yield Prediction(request.case_id, scores.tolist(), usage=scored.usage)


def yes_probability(yes: ArrayLike, no: ArrayLike) -> NDArray[np.float64]:
    """Compute the softmax over two logits, and return the first part.

    >>> round(float(yes_probability(2.0, 1.0)), 6)
    0.731059
    """
    difference = np.asarray(no, dtype=np.float64) - np.asarray(yes, dtype=np.float64)
    return np.exp(-np.logaddexp(0.0, difference))


def auc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Compute the share of positive-negative pairs in which the positive is higher; ties half.

    >>> auc([3, 1], [1, 0])
    0.875
    """
    gap = np.asarray(positive, dtype=np.float64)[:, None] - np.asarray(negative)[None, :]
    return float(np.mean((gap > 0) + 0.5 * (gap == 0)))


def question_auc(
    questions: Sequence[RatedQuestion], make_scorer: Callable[[Any], YesNoScorer], catalog: Catalog
) -> Callable[[Any], float] | None:
    """Return a function that computes a model's AUC on questions; None without both answers."""
    requests = [replace(q.request, candidates=(q.item,)) for q in questions]
    liked = np.array([q.liked for q in questions], dtype=bool)
    if not (liked.any() and (~liked).any()):
        return None

    def validate(model: Any) -> float:
        answers = make_scorer(model).predict(requests, catalog)
        scores = np.array([p.scores[0] if p.scores else np.nan for p in answers])
        scores = np.nan_to_num(scores, nan=-np.inf)
        return auc(scores[liked], scores[~liked])

    return validate
