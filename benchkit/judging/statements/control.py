"""The control of statement checks: what can be said to anyone of the most popular item."""

from dataclasses import replace

import numpy as np

from benchkit.data.dataset import PreparedDataset
from benchkit.data.splits.base import TRAIN
from benchkit.judging.verdicts import JudgeInput
from benchkit.types import Catalog


def most_popular_item(dataset: PreparedDataset) -> str:
    """Return the id of the item with most training interactions; of several, the first."""
    codes = dataset.interactions.item[dataset.part == TRAIN]
    counts = np.bincount(codes, minlength=len(dataset.catalog))
    return dataset.catalog.ids[int(counts.argmax())]


def generic_rationale(item: str, catalog: Catalog) -> str:
    """Return a rationale for an item that is the same for every user.

    Its claims of the user are those that are true of many: that they have bought such things
    before, and rated them well. What a check finds supported of it, it finds by chance.

    >>> generic_rationale("a", Catalog(("a",), {"title": ["Green Tea"]}))
    'Many customers chose Green Tea. The customer has purchased similar items before, and gave \
positive reviews to previous purchases. Green Tea is of high quality. Overall, it fits their taste.'
    """
    title = " ".join((catalog.text(item) or item).split())
    return (
        f"Many customers chose {title}. The customer has purchased similar items before, and gave"
        f" positive reviews to previous purchases. {title} is of high quality. Overall, it fits"
        " their taste."
    )


def control_input(judge_input: JudgeInput, item: str, catalog: Catalog) -> JudgeInput:
    """Return the same user with the generic rationale of `item` in place of the method's."""
    return replace(
        judge_input, key=f"{judge_input.key} control", item=item,
        rationale=generic_rationale(item, catalog),
    )  # fmt: skip
