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
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.runs.record_values import NO_ANSWER
from benchkit.runs.records import JUDGEMENTS_SCHEMA
from benchkit.types import Catalog, RunContext

_COLUMNS: Final = (
    "statements", "stated_reasons", "control", "control_statements", "control_reasons",
)  # fmt: skip


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
) -> pl.DataFrame:
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
        return table
    dataset = load_dataset()
    inputs = checkable_inputs(answers, dataset.catalog)
    popular = most_popular_item(dataset)
    controls = [control_input(one, popular, dataset.catalog) for one in inputs]
    reviews = {answer.request.case_id: answer.review for answer in answers}
    by_case = _check(judge, inputs, reviews, run, max_fault_share)
    by_control = _check(judge, controls, reviews, run, max_fault_share)
    texts = {one.request.case_id: one.rationale for one in controls}
    rows = [_row(case, by_case, by_control, texts) for case in table["case_id"].to_list()]
    schema = {name: JUDGEMENTS_SCHEMA[name] for name in _COLUMNS}
    return table.with_columns(pl.DataFrame(rows, schema=schema, orient="row").get_columns())


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
    dataset = load_dataset()
    inputs = checkable_inputs(answers, dataset.catalog)
    popular = most_popular_item(dataset)
    controls = [control_input(one, popular, dataset.catalog) for one in inputs]
    return judge.estimate_statements([*inputs, *controls], run)


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
        _as_dicts(checked.statements),
        _as_dicts(checked.reasons),
        texts[case],
        _as_dicts(control.statements),
        _as_dicts(control.reasons),
    )


def _as_dicts(parts: Sequence[StatementCheck] | Sequence[StatedReason]) -> list[dict[str, Any]]:
    return [part._asdict() for part in parts]
