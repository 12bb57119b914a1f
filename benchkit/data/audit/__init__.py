"""Leaks and defects of candidate lists, prepared here or read from a file.

    findings = audit_cases(audit_cases_from_dataset(dataset))

A fair list has its target once, at a place that tells nothing of it, among items that the user
never had (or had, too, where the target is a repetition), and nobody can draw it again. What is
tested is tested at `ALPHA` after Holm's correction over the tests of one audit; what is counted
(a target that is missing, an item that stands twice) is reported from one on.
"""

from dataclasses import replace
from itertools import chain

from benchkit.data.audit import candidate_lists, list_order, popularity, target_guesses, titles
from benchkit.data.audit.cases import AuditCases, audit_cases_from_dataset, audit_cases_from_file
from benchkit.data.audit.finding import AuditFinding, FindingSeverity
from benchkit.stats.multiple_testing import holm

__all__ = [
    "AUDIT_ALPHA",
    "AuditCases",
    "AuditFinding",
    "FindingSeverity",
    "audit_cases",
    "audit_cases_from_dataset",
    "audit_cases_from_file",
]

AUDIT_ALPHA = 0.001  # many sets of cases are audited, and a false alarm costs trust
_SEVERITY_ORDER: tuple[FindingSeverity, ...] = ("leak", "defect", "note")


def audit_cases(cases: AuditCases) -> list[AuditFinding]:
    """Return what is wrong with `cases` and what is worth knowing: leaks, defects, then notes."""
    if not len(cases):
        return []
    tested = list_order.run_order_tests(cases) + target_guesses.run_guess_tests(cases)
    adjusted = holm([finding.p if finding.p is not None else 1.0 for finding in tested])
    findings = [
        replace(finding, p=float(p))
        for finding, p in zip(tested, adjusted, strict=True)
        if p < AUDIT_ALPHA
    ]
    counted = chain(
        candidate_lists.check_candidate_lists(cases),
        popularity.check_popularity(cases),
        titles.check_titles(cases),
    )
    findings += [finding for finding in counted if finding is not None]
    return sorted(findings, key=lambda finding: _SEVERITY_ORDER.index(finding.severity))
