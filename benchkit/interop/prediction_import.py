"""Importing a file of predictions: which cases it answers, how it is scored, what is said of it."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError, DataError
from benchkit.evaluation.lookup import find_protocol, source_files
from benchkit.evaluation.protocols.sampled import Sampled
from benchkit.interop import precomputed, predictions_file
from benchkit.interop.cases_file import CasesHeader, header_path, make_header, read_header
from benchkit.interop.evaluation_task import EvaluationTask
from benchkit.interop.external_runs import (
    ExternalRun,
    ImportResult,
    file_sha256,
    record_external_run,
)
from benchkit.interop.predictions_file import ImportedPredictions, read_predictions
from benchkit.runs.store import Store
from benchkit.source_hash import hash_sources


@dataclass(frozen=True)
class PredictionsFile:
    """A file of predictions and what its maker says of it.

    cases_hash: which cases it answers, if no header beside the file says so.
    allow_missing: share of the cases that the file may lack; they count as misses.
    allow_partial: whether candidates without a score count as not retrieved.
    """

    file: Path
    label: str
    family: str = "external"
    paper: str = ""
    seed: int = 0
    cases_hash: str = ""
    allow_missing: float = 0.05
    allow_partial: bool = False


def import_predictions(
    source: PredictionsFile, place: EvaluationTask, store: Store
) -> tuple[ImportResult, ImportedPredictions]:
    """Score a file of predictions and put it beside the runs of the suite.

    Raises DataError for a file that is of other cases, or wrong, and ConfigError for a label that
    cannot be. The same file under the same label is the same run.
    """
    if not source.label.strip() or not source.family.strip():
        raise ConfigError("a row needs a label and a family", "--label NAME --family FAMILY")
    declared = read_header(source.file)
    _check_cases(source, place, declared)
    answers = read_predictions(
        source.file,
        place.dataset,
        place.cases,
        place.suite.decoding.n,
        source.allow_missing,
        source.allow_partial,
    )
    if any(find_protocol(name).uses_decoding for name in answers.protocols):
        _check_decoding(source.file, place, declared)
    digest = file_sha256(source.file)
    external = ExternalRun(
        label=source.label,
        family=source.family,
        seed=source.seed,
        sha256=digest,
        identity=_make_identity(source, place, answers),
        origin={
            "kind": "predictions",
            "file": source.file.name,
            "sha256": digest,
            "paper": source.paper,
            "header": declared.model_dump(mode="json") if declared else None,
        },
        caveats=_caveats(source, place, answers, digest, bool(declared and declared.decoding)),
    )
    by_protocol = dict.fromkeys(answers.protocols, answers.predictions)
    return record_external_run(
        store,
        place,
        external,
        lambda: precomputed.score_precomputed(place, by_protocol, store.root),
    ), answers


def _check_cases(
    source: PredictionsFile, place: EvaluationTask, declared: CasesHeader | None
) -> None:
    """Answers to other cases would be scored as wrong ones, or worse as right ones."""
    here = make_header(place)
    claims = [("--cases-hash", source.cases_hash, here.cases_hash)] if source.cases_hash else []
    if declared is not None:
        beside = header_path(source.file).name
        claims.append((f"{beside}, cases_hash", declared.cases_hash, here.cases_hash))
        if declared.fingerprint:
            claims.append((f"{beside}, fingerprint", declared.fingerprint, here.fingerprint))
    if not claims:
        raise DataError(
            f"{source.file}: nothing says which cases it answers",
            f"copy the .meta.json of the cases to {header_path(source.file).name}, or give the"
            " cases_hash in it as --cases-hash",
        )
    for where, claimed, expected in claims:
        if claimed != expected:
            raise DataError(
                f"{source.file}: it answers other cases: {where} is {claimed[:16]}, but"
                f" {place.dataset.name!r} has {expected[:16]} here",
                f"answer the cases of `benchkit data cases --suite {place.suite.name}"
                f" --dataset {place.task.name}`",
            )


def _check_decoding(file: Path, place: EvaluationTask, declared: CasesHeader | None) -> None:
    """Samples stand in a table that says how they were drawn."""
    if not any(protocol.uses_decoding for protocol in place.suite.protocol_objects()):
        raise ConfigError(
            f"{file}: has samples, but suite {place.suite.name!r} does not ask for any",
            f'give scores or a ranking, or add "{Sampled.name}" to the suite\'s protocols',
        )
    suite = place.suite.decoding
    if declared is not None and declared.decoding not in (None, suite):
        raise DataError(
            f"{file}: its samples were drawn with {declared.decoding}, but the suite's are"
            f" with {suite}",
            "draw them as the suite does",
        )


def _make_identity(
    source: PredictionsFile, place: EvaluationTask, answers: ImportedPredictions
) -> dict[str, Any]:
    """Everything but the answers that can change a number."""
    metrics = place.suite.task_metrics(place.task)
    protocols = [find_protocol(name) for name in answers.protocols]
    return {
        **(
            {"decoding": place.suite.decoding.model_dump()}
            if any(p.uses_decoding for p in protocols)
            else {}
        ),
        "method": "imported predictions",
        "label": source.label,
        "code": hash_sources(Path(predictions_file.__file__)),
        "harness": hash_sources(*source_files([*metrics, *protocols])),
        "test": place.dataset.fingerprint,
        "limit_users": place.limit_users,
        "protocols": list(answers.protocols),
        "metrics": place.metric_names,
        "popular_share": place.suite.popular_share,
        "seed": source.seed,
    }


def _caveats(
    source: PredictionsFile,
    place: EvaluationTask,
    answers: ImportedPredictions,
    digest: str,
    declared: bool,
) -> tuple[str, ...]:
    """What a reader must know. declared: whether a header says how samples were drawn; it may be
    the one that came with the cases, so it is their word and no record."""
    paper = f"; {source.paper}" if source.paper else ""
    caveats = [
        f"external: imported from {source.file.name}, sha256 {digest[:12]}; benchkit did not run"
        f" it{paper}"
    ]
    if answers.missing:
        caveats.append(
            f"{len(answers.missing)} of {len(place.cases)} cases are not in its file and count as"
            " misses"
        )
    if partial := describe_partial(place, answers):
        caveats.append(partial)
    if any(find_protocol(name).uses_decoding for name in answers.protocols):
        caveats.append(
            "its file declares that its samples were drawn as the suite asks"
            if declared
            else "its file does not say how its samples were drawn"
        )
    if answers.n_explicit_items:
        caveats.append(
            f"the items of {answers.n_explicit_items} samples are given, not read from texts, so"
            " that VALID is theirs to say"
        )
    return tuple(caveats)


def describe_partial(place: EvaluationTask, answers: ImportedPredictions) -> str:
    """Return how many answers do not rank all candidates, and what that means; or nothing."""
    lengths, n_unlisted = [], 0
    for case, column in zip(place.cases.ids, place.cases.target_position, strict=True):
        prediction = answers.predictions[case]
        if not prediction.partial or prediction.scores is None:
            continue
        lengths.append(sum(score > -math.inf for score in prediction.scores))
        n_unlisted += prediction.scores[column] == -math.inf
    if not lengths:
        return ""
    shortest, longest = min(lengths), max(lengths)
    span = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
    return (
        f"{len(lengths)} of {len(place.cases)} answers rank only {span} of"
        f" {place.cases.candidates.shape[1]} candidates; what they do not list was not retrieved:"
        f" {n_unlisted} targets among it count as misses, while chance is that of a full ranking"
    )
