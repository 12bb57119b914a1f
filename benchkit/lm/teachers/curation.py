"""Curation of rationales: those that their own teacher tags as incoherent are not learnt from.

A teacher tags a rationale by a verdict, or by a coherence score that is below a limit. The verdict
of a language model is the word after its rationale (prompt `post-hoc`, whose examples show both
verdicts); the template teacher and C-APO's prompt give scores; a file gives what it was written
with. `meta["coherent"]` holds the tag: a rationale without one was not judged, and is used.

Reference:
    Park et al., TWiCE-Rec, stage 1: self-annotated rationale curation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchkit.lm.teachers.base import Rationale


@dataclass(frozen=True)
class CurationCounts:
    """What became of the rationales that a teacher was to write; the last six add up to `total`.

    `coherent` and `untagged` ones are learnt from.
    """

    total: int
    coherent: int
    """Tagged as coherent."""
    untagged: int
    """With neither verdict nor score."""
    incoherent: int
    """Tagged as incoherent."""
    unparsed: int
    """Of a form that cannot be read, the verdict included, or cut off."""
    refused: int
    """Refused by the model or by what verifies it, without a verdict."""
    error: int
    """Without an answer, or not in the file."""

    def __str__(self) -> str:
        dropped = (
            f"{self.incoherent} incoherent, {self.unparsed} unparsed,"
            f" {self.refused + self.error} without an answer"
        )
        return f"{self.coherent + self.untagged} of {self.total} rationales kept; {dropped}"


def tag_rationales(rationales: Sequence[Rationale], min_score: float) -> list[Rationale]:
    """Tag rationales by their scores, and take the text of incoherent ones.

    Args:
        rationales: As teachers write them; a verdict of theirs stays.
        min_score: Lowest coherence score, from 1 to 7, of a coherent rationale.
    """
    tagged = []
    for rationale in rationales:
        if rationale.text is not None and rationale.score is not None:
            coherent = rationale.score >= min_score and is_coherent(rationale) is not False
            rationale = replace(rationale, meta={**rationale.meta, "coherent": coherent})
        if rationale.text is not None and is_coherent(rationale) is False:
            why = f"coherence {rationale.score} is below {min_score:g}"
            meta = {"raw": rationale.text, "why": why, **rationale.meta}
            rationale = replace(rationale, text=None, status="refused", meta=meta)
        tagged.append(rationale)
    return tagged


def is_coherent(rationale: Rationale) -> bool | None:
    """Return the tag of a rationale; None where it has none."""
    coherent = rationale.meta.get("coherent")
    return coherent if isinstance(coherent, bool) else None


def count_tags(rationales: Sequence[Rationale]) -> CurationCounts:
    """Count tagged rationales by what became of them."""
    usable = [is_coherent(rationale) for rationale in rationales if rationale.text is not None]
    dropped = [r for r in rationales if r.text is None]
    incoherent = sum(is_coherent(rationale) is False for rationale in dropped)
    status = [r.status for r in dropped if is_coherent(r) is not False]
    return CurationCounts(
        total=len(rationales),
        coherent=len(usable) - usable.count(None),
        untagged=usable.count(None),
        incoherent=incoherent,
        unparsed=status.count("unparsed") + status.count("truncated"),
        refused=status.count("refused"),
        error=status.count("error") + status.count("ok"),
    )
