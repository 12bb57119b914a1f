"""What a reader must know of lists that somebody else made, found out as soon as they are read."""

from pathlib import Path

import numpy as np

from benchkit.data.audit import audit_cases, audit_cases_from_dataset
from benchkit.data.dataset import PreparedDataset
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.data.spec import CandidateFileSpec


def describe_lists(dataset: PreparedDataset, spec: CandidateFileSpec) -> tuple[str, ...]:
    """Return one text about the lists of the test cases: their form, misses, leaks and defects."""
    cases, report = dataset.test, dataset.report
    shortest, longest = int(cases.lengths.min()), int(cases.lengths.max())
    length = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
    texts = [f"frozen candidates as {Path(spec.file).name} has them, {length} a case"]
    left_out = report.get("test_cases_without_list", 0)
    if left_out:
        texts.append(f"{left_out} cases without a list are not asked")
    relevant = cases.relevant
    listed = relevant[:, :, None] == cases.candidates[:, None, :]
    missing = int((~listed.any(axis=2) & (relevant != PADDING_ITEM)).sum())
    if missing:
        count = int(np.count_nonzero(relevant != PADDING_ITEM))
        texts.append(f"{missing} of {count} targets are not in their lists, which counts as a miss")
    histories = report.get("test_lists_with_another_history", 0)
    if histories:
        texts.append(f"{histories} lists come with a history that is not the dataset's")
    findings = [
        f"{finding.severity} {finding.name}"
        for finding in audit_cases(audit_cases_from_dataset(dataset, "test"))
        if finding.severity != "note" and finding.name != "target-missing"
    ]
    if findings:
        texts.append(f"the audit finds {', '.join(findings)}")
    return ("; ".join(texts),)
