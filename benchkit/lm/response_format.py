"""The form of answers: where the title is, and where the rationale is.

A response is kept in pieces. Training, scoring and generation tokenise each piece by itself and
join the ids, so that the same text always has the same tokens, wherever it was cut.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from benchkit.errors import unknown_name_error
from benchkit.lm.tokens.control_tokens import quote

ResponseKind = Literal[
    "title", "item", "think-item", "yes-no", "numbered-list", "query", "think-query"
]
_TAGS = {"item": "item", "think-item": "item", "query": "answer", "think-query": "answer"}


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """One way to answer.

    title: the title alone. item: `<item>t</item>`. think-item: `<think>r</think><item>t</item>`,
    the layout of C-APO and TWiCE-Rec. yes-no: the word Yes or No stands for the title.
    numbered-list: `1. t`, `2. t`, ...; what is trained and scored is its first entry.
    query, think-query: `<answer>q</answer>` and `<think>r</think><answer>q</answer>`, where a query
    for a retriever stands for the title (Rec-R1; `lm.retrieval.query` has its JSON).
    Raises ConfigError for any other kind.

    >>> ResponseFormat("think-item").pieces("Blue Moon", "Likes jazz.")
    ('<think>', 'Likes jazz.', '</think><item>', 'Blue Moon</item>')
    """

    kind: ResponseKind

    def __post_init__(self) -> None:
        if self.kind not in get_args(ResponseKind):
            raise unknown_name_error("response format", self.kind, get_args(ResponseKind))

    @property
    def explains(self) -> bool:
        """Return whether a rationale comes before the title."""
        return self.kind in ("think-item", "think-query")

    @property
    def tag(self) -> str:
        """Return the name of the tag around the title or query; empty where there is none."""
        return _TAGS.get(self.kind, "")

    def prefix(self, rationale: str | None = None) -> tuple[str, ...]:
        """Return all that comes before the title; without a rationale, the item follows at once.

        Control tokens in a rationale are quoted, as those of a title are.
        Raises ValueError for a rationale in a format that has no place for one.
        """
        if rationale is not None:
            if not self.explains:
                raise ValueError(f"response format {self.kind!r} has no place for a rationale")
            return (*self.begin_rationale, quote(rationale), f"{self.end_rationale}<{self.tag}>")
        if self.tag:
            return (f"<{self.tag}>",)
        return ("1. ",) if self.kind == "numbered-list" else ()

    @property
    def suffix(self) -> str:
        """Return what follows the title, in one piece with it."""
        return f"</{self.tag}>" if self.tag else ""

    def pieces(self, title: str, rationale: str | None = None) -> tuple[str, ...]:
        """Return a whole response."""
        return (*self.prefix(rationale), title + self.suffix)

    @property
    def begin_rationale(self) -> tuple[str, ...]:
        """Return what makes a model start a rationale; nothing where the format has none."""
        return ("<think>",) if self.explains else ()

    @property
    def end_rationale(self) -> str:
        """Return what ends a rationale; a stop text when only that is generated."""
        return "</think>" if self.explains else ""
