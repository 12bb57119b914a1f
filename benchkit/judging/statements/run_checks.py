"""Statement checks of the answers of a run, as columns of its judgement."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import polars as pl

from benchkit.data.dataset import PreparedDataset
from benchkit.faults import DEFAULT_MAX_FAULT_SHARE, FaultTally
from benchkit.judging.inputs import MethodAnswer
from benchkit.judging.statements.control import control_input, most_popular_item
from benchkit.judging.statements.review_reasons import StatedReason, find_recalled
from benchkit.judging.statements.statement import StatementCheck, StatementChecker
from benchkit.judging.verdicts import JudgeInput
from benchkit.lm.cost_estimate import NO_COST, CostEstimate, sum_usage
from benchkit.runs.record_values import NO_ANSWER
from benchkit.runs.records import JUDGEMENTS_SCHEMA
from benchkit.types import Catalog, RunContext

_COLUMNS: Final = (
    "statements", "stated_reasons", "control", "control_statements", "control_reasons",
)  # fmt: skip


class StatementColumns(NamedTuple):
    """A judgement's table with statement checks, and what asking for them took."""

    table: pl.DataFrame
    usage: Mapping[str, float]


class _Checked(NamedTuple):
    """The checks of one rationale."""

    statements: tuple[StatementCheck, ...]
    reasons: tuple[StatedReason, ...]


def add_statement_checks(
    table: pl.DataFrame,
    judge: object,
    answers: Sequence[MethodAnswer],
    load_dataset: Callable[[], PreparedDataset],
    run: RunContext,
    max_fault_share: float = DEFAULT_MAX_FAULT_SHARE,
) -> StatementColumns:
    """Return a judgement's table with the columns of statement checks; they enter no grade.

    Every rationale for an item of the catalogue is checked, also one for an item that the user did
    not take, and beside it the generic rationale of the most popular item (the control). Where the
    judge does not check statements, the columns stay null.

    Args:
        table: A row an answer (`records.JUDGEMENTS_SCHEMA`).
        judge: The judge; it checks if it is a `StatementChecker`.
        answers: The answers, in the order of the rows.
        load_dataset: Returns their dataset; it is read only where statements are checked.
        run: As for the judge.
        max_fault_share: Share of the statements that may lack an answer of the judge's engine.

    Raises:
        EngineError: More of them do.
    """
    if not isinstance(judge, StatementChecker) or not judge.checks_statements:
        return StatementColumns(table, {})
    inputs, controls = _inputs_and_controls(answers, load_dataset())
    reviews = {answer.request.case_id: answer.review for answer in answers}
    by_case = _check(judge, inputs, reviews, run, max_fault_share)
    by_control = _check(judge, controls, reviews, run, max_fault_share)
    texts = {one.request.case_id: one.rationale for one in controls}
    rows = [_row(case, by_case, by_control, texts) for case in table["case_id"].to_list()]
    schema = {name: JUDGEMENTS_SCHEMA[name] for name in _COLUMNS}
    columns = pl.DataFrame(rows, schema=schema, orient="row").get_columns()
    checks = [*by_case.values(), *by_control.values()]
    usage = sum_usage(check.usage for checked in checks for check in checked.statements)
    return StatementColumns(table.with_columns(columns), usage)


def checkable_inputs(answers: Sequence[MethodAnswer], catalog: Catalog) -> list[JudgeInput]:
    """Return the rationales whose statements can be checked, without the item taken."""
    return [
        JudgeInput(answer.request.case_id, answer.request, answer.item, answer.rationale)
        for answer in answers
        if answer.item in catalog.index and answer.item is not None and answer.rationale
    ]


def estimate_statement_checks(
    judge: object,
    answers: Sequence[MethodAnswer],
    load_dataset: Callable[[], PreparedDataset],
    run: RunContext,
) -> CostEstimate:
    """Estimate what `add_statement_checks` would ask a language model for, without asking."""
    if not isinstance(judge, StatementChecker) or not judge.checks_statements:
        return NO_COST
    inputs, controls = _inputs_and_controls(answers, load_dataset())
    return judge.estimate_statements([*inputs, *controls], run)


def _inputs_and_controls(
    answers: Sequence[MethodAnswer], dataset: PreparedDataset
) -> tuple[list[JudgeInput], list[JudgeInput]]:
    inputs = checkable_inputs(answers, dataset.catalog)
    popular = most_popular_item(dataset)
    return inputs, [control_input(one, popular, dataset.catalog) for one in inputs]


def _check(
    judge: StatementChecker,
    inputs: Sequence[JudgeInput],
    reviews: Mapping[str, str | None],
    run: RunContext,
    max_fault_share: float,
) -> dict[str, _Checked]:
    """Return the checks of each input by its case."""
    checks = list(judge.check_statements(inputs, run))
    total = sum(len(statements) for statements in checks)
    faults = FaultTally(total, max_fault_share, "statements")
    checked = {}
    for one, statements in zip(inputs, checks, strict=True):
        for statement in statements:
            if statement.label == NO_ANSWER:
                faults.add(statement.reason)
        case = one.request.case_id
        checked[case] = _Checked(statements, find_recalled(reviews[case], one.rationale))
    return checked


def _row(
    case: str,
    by_case: Mapping[str, _Checked],
    by_control: Mapping[str, _Checked],
    texts: Mapping[str, str],
) -> tuple[Any, ...]:
    if case not in by_case:
        return (None,) * len(_COLUMNS)
    checked, control = by_case[case], by_control[case]
    return (
        _stored_checks(checked.statements),
        [reason._asdict() for reason in checked.reasons],
        texts[case],
        _stored_checks(control.statements),
        [reason._asdict() for reason in control.reasons],
    )


def _stored_checks(checks: Sequence[StatementCheck]) -> list[dict[str, Any]]:
    names = ("start", "stop", "label", "reason")
    return [{name: getattr(check, name) for name in names} for check in checks]
