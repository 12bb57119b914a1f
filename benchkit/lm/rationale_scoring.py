"""Candidates scored after the model's own rationale, or on average over several of them."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchkit.lm.cost_estimate import sum_usage
from benchkit.lm.types import Completion, ContinuationScores


class ScoredRationale(NamedTuple):
    """A rationale, and the candidates' scores that go with it."""

    scores: ContinuationScores
    rationale: Completion
    completion_tokens: int
    """Tokens of all rationales that were written for the case."""


def has_rationale_text(rationale: Completion) -> bool:
    """Return whether there is a rationale; one that is cut off is continued from its end."""
    return rationale.finish in ("stop", "length")


def combine_rationales(
    rationales: Sequence[Sequence[Completion]], results: Iterator[ContinuationScores]
) -> Iterator[ScoredRationale]:
    """Yield what the rationales of each case say together.

    A candidate's score is log mean_r P(candidate | prompt, r) over the rationales r: where they are
    drawn from the model, that estimates log P(candidate | prompt), with the rationale summed out.
    The rationale that is shown is the one that gives the first-ranked candidate most.

    Args:
        rationales: Of each case, one or more; those that are not usable have no scores.
        results: Scores after each usable rationale, in the order of cases and rationales.
    """
    for drawn in rationales:
        usable = [rationale for rationale in drawn if has_rationale_text(rationale)]
        scores = [next(results) for _ in usable]
        tokens = sum(rationale.tokens for rationale in drawn)
        if not usable:
            first = drawn[0]
            nothing = ContinuationScores(None, None, first.finish, fault=first.fault)
            yield ScoredRationale(nothing, first, tokens)
            continue
        answered = [
            (rationale, score, score.logprobs)
            for rationale, score in zip(usable, scores, strict=True)
            if score.logprobs is not None
        ]
        if not answered:
            yield ScoredRationale(scores[0], usable[0], tokens)
            continue
        logprobs = np.stack([values for *_, values in answered])  # [rationales, candidates]
        mean = _log_mean(logprobs)
        rationale, score, _ = answered[int(np.argmax(logprobs[:, int(np.argmax(mean))]))]
        combined = ContinuationScores(
            mean, score.token_counts, score.finish, sum_usage(score.usage for score in scores)
        )
        yield ScoredRationale(combined, rationale, tokens)


def _log_mean(logprobs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log mean exp over rows, [rows, columns] to [columns]; one row stays as it is."""
    if len(logprobs) == 1:
        return np.array(logprobs[0])
    mean: NDArray[np.float64] = np.logaddexp.reduce(logprobs, axis=0) - math.log(len(logprobs))
    return mean
