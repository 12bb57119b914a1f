"""Validate answers: raise a MethodError at the first that does not fit its request."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from benchkit.errors import MethodError
from benchkit.types import Prediction, Request, Sample, Status


def validate_predictions(
    answers: Iterator[Prediction], requests: Sequence[Request]
) -> Iterator[Prediction]:
    """Yield `answers` as they come.

    Raises:
        MethodError: One is no answer to its request.
    """
    return _match_predictions(answers, requests, "predict", _check_scores)


def validate_samples(
    answers: Iterator[Prediction], requests: Sequence[Request], n: int
) -> Iterator[Prediction]:
    """Yield the answers of `Sampler.sample` as they come.

    Raises:
        MethodError: One is no answer to its request, or has not `n` samples.
    """
    return _match_predictions(
        answers, requests, "sample", lambda p, request: _check_samples(p, request, n)
    )


def _match_predictions(
    answers: Iterator[Prediction],
    requests: Sequence[Request],
    method: str,
    check: Callable[[Prediction, Request], None],
) -> Iterator[Prediction]:
    remaining = iter(answers)
    for request in requests:
        prediction = next(remaining, None)
        if prediction is None:
            raise MethodError(
                f"{method} ended before case {request.case_id!r}: fewer predictions than requests",
                "yield one Prediction a request, in order; an unanswerable one has a status that"
                " is not 'ok'",
            )
        _check_identity(prediction, request, method)
        check(prediction, request)
        yield prediction
    if next(remaining, None) is not None:
        raise MethodError(f"{method} gave more predictions than requests", "yield one a request")


def _check_identity(prediction: object, request: Request, method: str) -> None:
    where = f"case {request.case_id!r}"
    if not isinstance(prediction, Prediction):
        raise MethodError(
            f"{where}: {method} gave a {type(prediction).__name__}", "yield benchkit's Prediction"
        )
    if prediction.case_id != request.case_id:
        raise MethodError(
            f"{where}: {method} answered case {prediction.case_id!r} instead",
            "yield predictions in the order of the requests, with the request's case_id",
        )


def _check_scores(prediction: Prediction, request: Request) -> None:
    where = f"case {request.case_id!r}"
    if prediction.scores is None:
        if prediction.status == "ok":
            raise MethodError(f"{where}: status 'ok' without scores", "give scores, or the status")
        return
    wanted, got = len(request.candidates), len(prediction.scores)
    if got != wanted:
        raise MethodError(
            f"{where}: {got} scores for {wanted} candidates",
            "give one score a candidate, in the order of request.candidates",
        )
    # A NaN or an infinity makes the sum non-finite: one test a case instead of one a score.
    if math.isfinite(sum(prediction.scores)):
        return
    for item, score in zip(request.candidates, prediction.scores, strict=True):
        if not math.isfinite(score) and not (prediction.partial and score == -math.inf):
            raise MethodError(
                f"{where}: the score of item {item!r} is {score}",
                "every score must be a finite number; did training diverge? Only an answer with"
                " partial=True may leave candidates out, with the score -inf",
            )
    if not any(map(math.isfinite, prediction.scores)):
        raise MethodError(
            f"{where}: a partial answer without any candidate",
            "give scores=None and the status that says why",
        )


def _check_samples(prediction: Prediction, request: Request, n: int) -> None:
    where = f"case {request.case_id!r}"
    got = len(prediction.samples)
    if got != n and (got or prediction.status == "ok"):
        raise MethodError(
            f"{where}: {got} samples instead of {n}",
            'give run.decoding["n"] samples, in draw order, each failed one with its status',
        )
    for place, sample in enumerate(prediction.samples, start=1):
        if fault := _sample_problem(sample, request):
            raise MethodError(f"{where}: sample {place} {fault[0]}", fault[1])


def _sample_problem(sample: object, request: Request) -> tuple[str, str] | None:
    """Return what is wrong with a sample, and what to do about it."""
    if not isinstance(sample, Sample):
        return f"is a {type(sample).__name__}", "give benchkit's Sample"
    if not isinstance(sample.text, str):
        return f"has a {type(sample.text).__name__} as its text", "text is what was generated"
    if sample.status not in get_args(Status):
        return f"has the status {sample.status!r}", f"use one of {', '.join(get_args(Status))}"
    if sample.item is not None and sample.item not in request.candidates:
        return (
            f"names item {sample.item!r}, which is no candidate",
            "an answer that is none of request.candidates has item=None and status 'unparsed'",
        )
    if sample.status == "ok" and sample.item is None:
        return "has the status 'ok' without an item", "give the item, or say what went wrong"
    return None
