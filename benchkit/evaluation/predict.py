"""Validate answers: raise a MethodError at the first that does not fit its request."""

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from benchkit.data.request_batch import RequestBatch
from benchkit.errors import MethodError
from benchkit.types import Prediction, Recommender, Request, Sample, Sampler, Status

_LARGEST_USAGE = 1e12  # tokens, or seconds, of a case
_KNOWN = frozenset(get_args(Status))
_STATUSES = ", ".join(get_args(Status))


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
    """Yield the checked answers in the order of the questions, which they may not come in.

    An answer belongs to the case that it names, among the questions as they were asked: a method
    that sorts or changes its own copy of them is not scored against the wrong cases.
    """
    open_requests = {request.case_id: request for request in _questions(requests)}
    early: dict[str, Prediction] = {}  # answers whose turn has not come
    order = iter(list(open_requests))
    turn = next(order, None)
    for prediction in answers:
        case_id = _check_identity(prediction, open_requests, method)
        check(prediction, open_requests.pop(case_id))
        early[case_id] = prediction
        while turn in early:
            yield early.pop(turn)
            turn = next(order, None)
    if open_requests:
        first = next(iter(open_requests))
        raise MethodError(
            f"{method} ended before case {first!r}: fewer predictions than requests",
            "yield one Prediction a request; an unanswerable one has a status that is not 'ok'",
        )


def _questions(requests: Sequence[Request]) -> Iterator[Request]:
    if isinstance(requests, RequestBatch):
        return requests.without_histories()
    return iter(requests)


def _check_identity(prediction: object, open_requests: Mapping[str, Request], method: str) -> str:
    """Return the case that an answer belongs to, which is one that has not been answered."""
    if not isinstance(prediction, Prediction):
        name = prediction if isinstance(prediction, str) else type(prediction).__name__
        raise MethodError(f"{method} gave a {name}", "yield benchkit's Prediction")
    case_id = prediction.case_id
    if not isinstance(case_id, str) or case_id not in open_requests:
        raise MethodError(
            f"{method} answered case {case_id!r}, which was not asked or was answered already",
            "yield one prediction a request, with the request's case_id",
        )
    return case_id


def _check_scores(prediction: Prediction, request: Request) -> None:
    where = f"case {request.case_id!r}"
    _check_texts(prediction, where)
    if prediction.scores is None:
        if prediction.status == "ok":
            raise MethodError(f"{where}: status 'ok' without scores", "give scores, or the status")
        return
    scores = _as_numbers(prediction.scores)
    if scores is None:
        raise MethodError(f"{where}: scores are no list of numbers", "give one number a candidate")
    wanted, got = len(request.candidates), len(scores)
    if got != wanted:
        raise MethodError(
            f"{where}: {got} scores for {wanted} candidates",
            "give one score a candidate, in the order of request.candidates",
        )
    finite = np.isfinite(scores)
    if finite.all():
        return
    wrong = ~finite & ~((scores == -math.inf) & prediction.partial)
    if wrong.any():
        place = int(wrong.argmax())
        raise MethodError(
            f"{where}: the score of item {request.candidates[place]!r} is {scores[place]}",
            "every score must be a finite number; did training diverge? Only an answer with"
            " partial=True may leave candidates out, with the score -inf",
        )
    if not finite.any():
        raise MethodError(
            f"{where}: a partial answer without any candidate",
            "give scores=None and the status that says why",
        )


def _as_numbers(scores: Sequence[float]) -> NDArray[np.float64] | None:
    """Return scores [c] as an array; None where they are something else."""
    if isinstance(scores, np.ndarray) and scores.ndim == 1 and scores.dtype == np.float64:
        return scores
    if isinstance(scores, str | bytes | bytearray):  # bytes would be taken as machine numbers
        return None
    try:
        return np.array(array("d", scores))
    except (TypeError, ValueError, OverflowError):
        return None


def _check_texts(prediction: Prediction, where: str) -> None:
    """Refuse what a record could not hold."""
    if not isinstance(prediction.status, str) or prediction.status not in _KNOWN:
        raise MethodError(
            f"{where}: the status is {prediction.status!r}", f"use one of {_STATUSES}"
        )
    if prediction.rationale is not None and not isinstance(prediction.rationale, str):
        raise MethodError(f"{where}: the rationale is no text", "give a text, or None")
    if not isinstance(prediction.fault, str):
        raise MethodError(f"{where}: the fault is no text", "say in words what the engine did")
    usage = prediction.usage
    if not isinstance(usage, Mapping) or not all(
        isinstance(name, str) and isinstance(value, int | float) and 0 <= value < _LARGEST_USAGE
        for name, value in usage.items()
    ):
        raise MethodError(
            f"{where}: usage is {usage!r:.80}", 'name -> number: {"prompt_tokens": 9}'
        )
    lengths = prediction.lengths
    if lengths is not None and (
        isinstance(lengths, str)
        or len(lengths) != (0 if prediction.scores is None else len(prediction.scores))
        or not all(isinstance(length, int | np.integer) and length > 0 for length in lengths)
    ):
        raise MethodError(
            f"{where}: lengths are no positive whole numbers, one a score",
            "give the tokens of each candidate, or None",
        )


def _check_samples(prediction: Prediction, request: Request, n: int) -> None:
    where = f"case {request.case_id!r}"
    _check_texts(prediction, where)
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
    if not isinstance(sample.status, str) or sample.status not in _KNOWN:
        return f"has the status {sample.status!r}", f"use one of {_STATUSES}"
    if sample.item is not None and sample.item not in request.candidates:
        return (
            f"names item {sample.item!r}, which is no candidate",
            "an answer that is none of request.candidates has item=None and status 'unparsed'",
        )
    if sample.status == "ok" and sample.item is None:
        return "has the status 'ok' without an item", "give the item, or say what went wrong"
    return None


def as_sampler(recommender: Recommender) -> Sampler:
    """Return a recommender that claims to sample. Raises MethodError if it cannot."""
    if isinstance(recommender, Sampler):
        return recommender
    raise MethodError(
        "it declares the capability 'samples', but has no method sample",
        "write sample(requests, run), or leave the capability out",
    )
