"""The words of InstructRec's instructions: 39 coarse templates, or a few words for small models."""

import re
from collections.abc import Mapping
from pathlib import Path

from baselines.sft.instructions import INSTRUCTION_GRID, InstructionKind
from benchkit.config.loading import read_toml

Wordings = Mapping[InstructionKind, tuple[str, ...]]
_PLACES = re.compile(r"\{(history|candidates|likes|wants|first|second)\}")
# For small models: words that they must learn cost more than they contribute. No candidates are
# listed, so that matching and reranking are the same task: to continue with a title.
_SHORT_PREFERENCE = {"none": "", "implicit": "{history}", "explicit": "Likes {likes}\n"}
_SHORT_INTENTION = {"none": "", "vague": "Wants {wants}\n", "specific": "Says {wants}\n"}
_SHORT_FORM = {
    "pointwise": "{first}?\n", "pairwise": "{first} or {second}?\n", "matching": "",
    "reranking": "",
}  # fmt: skip


def long_wordings() -> Wordings:
    """Return the wordings of each cell, from `instruction_templates.toml`.

    The evaluated instruction has none: its words are those of the method's prompt template.
    """
    tables = read_toml(Path(__file__).with_name("instruction_templates.toml"))
    return {
        kind: tuple(tables.get(kind.preference, {}).get(kind.intention, {}).get(kind.form, ()))
        for kind in INSTRUCTION_GRID
    }


def short_wordings() -> Wordings:
    """Return one wording of each cell for small models."""
    return {
        kind: (
            _SHORT_PREFERENCE[kind.preference]
            + _SHORT_INTENTION[kind.intention]
            + _SHORT_FORM[kind.form],
        )
        for kind in INSTRUCTION_GRID
    }


def fill_places(wording: str, texts: Mapping[str, str]) -> str:
    """Fill the places of a wording; places in the texts are not searched for.

    >>> fill_places("{first} or {second}?", {"first": "{second}", "second": "B"})
    '{second} or B?'
    """
    return _PLACES.sub(lambda match: texts[match[1]], wording)
