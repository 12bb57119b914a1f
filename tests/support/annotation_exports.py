"""What people export from annotation pages: rows and files, made from the key of a batch."""

import csv
import io

from benchkit.judging.annotation.exports import EXPORT_COLUMNS

# (task, method) -> grades from 0 to 3, as `annotation_store.make_store` takes them.
GRADED_RUNS = {
    ("toys", "a"): [0, 1, 2, 3] * 4,
    ("toys", "b"): [0, 1, 1, 3] * 4,
    ("toys", "c"): [3, 3, 2, 3] * 4,
}


def export_rows(key, annotator, /, grader=lambda item: 2, **changes):
    """What a page would export with the same grade for every criterion; changes: to every row."""
    return [
        {
            "batch": key.batch, "annotator": annotator, "name": f"Dr {annotator}", "id": identifier,
            "criterion": criterion.name, "grade": grader(key.items[identifier]), "skipped": 0,
            "note": "", "seconds": 12.5, **changes,
        }
        for identifier in key.annotators[annotator] for criterion in key.rubric.criteria
    ]  # fmt: skip


def write_export(path, rows, columns=EXPORT_COLUMNS, start="\ufeff", **options):
    """Write rows as a page or, with other options, a spreadsheet does; returns the path."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", **options)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes((start + out.getvalue()).encode())
    return path
