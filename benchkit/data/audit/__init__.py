"""Leaks and defects of candidate lists, ours or somebody else's.

    findings = audit(of_dataset(dataset))

A fair list has its target once, at a place that tells nothing of it, among items that the user
never had. What is tested is tested at `ALPHA` after Holm's correction over the tests of one audit;
what is counted (a target that is missing, an item that stands twice) is reported from one on.
"""

from dataclasses import replace
from itertools import chain

from benchkit.data.audit import lists, order, popularity, titles
from benchkit.data.audit.cases import AuditCases, of_dataset, of_file
from benchkit.data.audit.finding import Finding, Severity
from benchkit.stats.multiple import holm

__all__ = ["ALPHA", "AuditCases", "Finding", "Severity", "audit", "of_dataset", "of_file"]

ALPHA = 0.001  # many sets of cases are audited, and a false alarm costs trust
_ORDER: tuple[Severity, ...] = ("leak", "defect", "note")


def audit(cases: AuditCases) -> list[Finding]:
    """What is wrong with `cases`, and what is worth knowing: leaks, then defects, then notes."""
    if not len(cases):
        return []
    tested = order.tests(cases)
    adjusted = holm([finding.p if finding.p is not None else 1.0 for finding in tested])
    found = [
        replace(finding, p=float(p))
        for finding, p in zip(tested, adjusted, strict=True)
        if p < ALPHA
    ]
    counted = chain(lists.checks(cases), popularity.checks(cases), titles.checks(cases))
    found += [finding for finding in counted if finding is not None]
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))
