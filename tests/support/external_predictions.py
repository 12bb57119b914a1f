"""A recommender that runs elsewhere: it sees a file of cases, and writes a file of answers."""

import csv
import json

import polars as pl

from benchkit.interop.cases_file import header_path, write_cases
from benchkit.interop.evaluation_task import load_task


def exported(suite, folder, **options):
    """The place, and its cases as someone elsewhere reads them."""
    place = load_task(suite, "", folder / "data", **options)
    write_cases(place, folder / "cases.jsonl")
    lines = (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return place, [json.loads(line) for line in lines]


def item_scores(case):
    """What `Base` of conftest.METHODS gives, seen from outside; it has many ties."""
    return [float(len(candidate["item"])) for candidate in case["candidates"]]


def whole(cases):
    """A row a case."""
    return [{"case_id": case["case_id"], "scores": item_scores(case)} for case in cases]


def by_item(cases):
    """A row a candidate."""
    return [
        {"case_id": case["case_id"], "item": candidate["item"], "score": score}
        for case in cases
        for candidate, score in zip(case["candidates"], item_scores(case), strict=True)
    ]


def write(path, rows, header=True):
    """Write `rows` as the ending says; with the header of `cases.jsonl` beside it."""
    if path.suffix in (".csv", ".tsv"):
        names = list(dict.fromkeys(name for row in rows for name in row))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            lists = [
                {k: json.dumps(v) if isinstance(v, list) else v for k, v in r.items()} for r in rows
            ]
            writer.writerows(lists)
    elif path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if header:
        header_path(path).write_bytes(header_path(path.with_name("cases.jsonl")).read_bytes())
    return path


def folder_of(store, manifest):
    """The run that a manifest is of."""
    return store.run(manifest.suite, manifest.task, manifest.label, manifest.run_id)
