"""Real rationales with labelled statements, where ../shared has them."""

import csv
import json
import re
from pathlib import Path

import pytest

from benchkit.judging.item_mentions import title_index
from benchkit.judging.statements.rules import check_rationale
from benchkit.judging.statements.statement import worst_label
from benchkit.judging.verdicts import JudgeInput
from benchkit.rating_scale import FIVE_STARS
from benchkit.types import Catalog, Event, Request

FILE = (
    Path(__file__).parents[3] / "shared/data/grocery2023_rationales/train_rationales.json"
)  # fmt: skip
LABELS = Path(__file__).parents[1] / "judging/statements/grocery_labels.csv"
_ITEM = re.compile(
    r"(.*?)\n- item_id:(\S+)\n- description:(.*?)\n- details:(.*?)"
    r"(?:\n- review:(.*?)\n- rating:(\w+))?\s*",
    re.DOTALL,
)


def _items(text):
    parts = re.split(r"(?:^|\n\s*)title:", text.strip())
    return [_ITEM.fullmatch(part).groups() for part in parts if part.strip()]


def grocery_inputs(change=lambda rating: rating):
    """The 100 rationales as judge inputs, and their catalogue; change: of every rating."""
    if not FILE.exists():
        pytest.skip("there is no ../shared/data/grocery2023_rationales")
    texts, inputs = {}, []
    for number, row in enumerate(json.loads(FILE.read_text())):
        body = row["input"].split("***Instruction***")[0].split("[Purchase History] : ")[1]
        history, candidates = map(_items, body.split("[Candidate List]: "))
        texts |= {item: (title, about, more) for title, item, about, more, *_ in history}
        texts |= {item: (title, about, more) for title, item, about, more, *_ in candidates}
        events = tuple(
            Event(item, change(FIVE_STARS.from_word(word)), None, review)
            for _, item, _, _, review, word in history
        )
        request = Request(str(number), str(number), events, tuple(row[1] for row in candidates))
        rationale = row["output"].split("<think>")[1].split("</think>")[0].strip()
        chosen = re.search(r"<item_id> *(\S+)", row["output"])[1]
        inputs.append(JudgeInput(str(number), request, chosen, rationale))
    names = ("title", "description", "details")
    columns = {name: [text[n] for text in texts.values()] for n, name in enumerate(names)}
    return inputs, Catalog(tuple(texts), columns, FIVE_STARS)


def labelled_pairs(inputs, catalog):
    """(a person's label, the rules' label) of each labelled sentence, in the order of the file."""
    checks = {}
    pairs = []
    for row in csv.DictReader(LABELS.open()):
        number, start, stop = int(row["rationale"]), int(row["start"]), int(row["end"])
        if number not in checks:
            checks[number] = check_rationale(inputs[number], title_index(catalog))
        inside = [c.label for c in checks[number] if start <= c.start and c.stop <= stop]
        pairs.append((row["label"], worst_label(inside)))
    return pairs
