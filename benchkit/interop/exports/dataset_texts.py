"""What is said of an exported dataset in words: only what benchkit knows of it."""

from benchkit.data.dataset import PreparedDataset
from benchkit.data.dataset_statistics import describe_ratings, describe_times
from benchkit.data.spec import CandidateFileSpec, DatasetSpec

ANSWERS_NOTE = (
    "It holds the answers to its test cases: keep it where no recommender under test can read it."
)
USE = (
    "Evaluation of recommenders: the cases of the test part are asked, those of the validation part"
    " choose models, and rows of the part train are what may be learned from."
)
COLUMNS = {
    "interactions": {
        "user": "Id of a user.",
        "item": "Id of an item.",
        "part": "What the row is for: train, valid or test.",
        "rating": "The user's rating; null where there is none.",
        "timestamp": "Time of the interaction since 1970-01-01 UTC, in the unit that the suite"
        " names.",
        "review": "The user's text on the item; null where there is none.",
    },
    "items": {"item": "Id of an item.", "title": "What the item is called."},
    "cases": {
        "case_id": "Id of the case.",
        "user": "Whose case it is.",
        "history": "Ids of the items that the user had before, oldest first.",
        "candidates": "Ids of the items to rank, in their frozen order.",
        "target": "The relevant item.",
        "relevant": "All relevant items, the target first.",
        "grades": "How relevant each of them is.",
    },
}  # fmt: skip


def describe_column(config: str, column: str) -> str:
    """Return what a column holds."""
    return COLUMNS[config].get(column, f"Text of the item: {column}.")


def describe_preparation(spec: DatasetSpec) -> str:
    """Return how raw tables became the dataset."""
    parts = []
    if spec.k_core:
        parts.append(f"users and items with fewer than {spec.k_core} interactions were removed")
    if spec.min_length:
        parts.append(f"users with fewer than {spec.min_length} interactions were removed")
    how = {"first": "the first of a user's interactions with an item was kept",
           "last": "the last of a user's interactions with an item was kept",
           "keep": "repeated interactions with an item were kept as events"}  # fmt: skip
    if spec.duplicates in how:
        parts.append(how[spec.duplicates])
    name = spec.split if isinstance(spec.split, str) else spec.split.get("name", "files")
    parts.append(f"the split is {name}")
    if spec.cold is not None:
        parts.append(f"a share of {spec.cold.share:g} of the {spec.cold.of} is not trained on")
    if isinstance(spec.candidates, CandidateFileSpec):
        parts.append("candidate lists come from a file")
    else:
        drawn = spec.candidates
        parts.append(
            f"{drawn.count} candidates a case, drawn {drawn.sampling}, the target included"
        )
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def describe_content(dataset: PreparedDataset) -> str:
    """Return in one sentence what the dataset holds."""
    synthetic = "Generated, not real: " if dataset.is_synthetic else ""
    return (
        f"{synthetic}{len(dataset.users):,} users, {len(dataset.catalog):,} items and"
        f" {len(dataset.interactions):,} interactions, with {len(dataset.valid):,} validation and"
        f" {len(dataset.test):,} test cases; times: {describe_times(dataset)}; ratings:"
        f" {describe_ratings(dataset)}."
    )
