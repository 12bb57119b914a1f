"""Control tokens that stand in the texts of items: they are text, and are tokenised as text.

A title, a review or a rationale may hold what is a token of its own for a model: `<|im_end|>`,
`<bos>`, `</think>`. Whoever writes such a text into a prompt or an answer quotes it (`quote`): an
invisible mark goes behind the first character of what looks like a control token. The mark alone
keeps any tokenizer from finding the token, also that of a server. Where benchkit tokenises itself,
`quoted_ids` takes the mark out and spells what it stands in; control tokens without a mark (of chat
templates, of prompt templates, of the form of an answer) stay tokens. A text in which nothing is
quoted is never touched.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

MARK = "\u2060"  # WORD JOINER: no width, no white space, part of no control token
_GUARD = "\ufdd0"  # no character; stands before the control tokens that stay tokens

_HTML = (  # no control tokens, though some tokenizers have one token for them; <s> is one of both
    "a abbr b big blockquote body br caption center cite code col dd del div dl dt em font h[1-6]"
    " head hr html i img ins li ol p pre q small span strike strong sub sup table tbody td tfoot th"
    " thead title tr tt u ul"
)
# What follows the first character, by that character.
_AFTER_ANGLE = (
    r"[|｜][^\n<>]{1,64}[|｜]>"  # <|im_end|>, <｜User｜>
    rf"|(?!/?(?:{'|'.join(_HTML.split())})/?>)[^\s<>\u2060]{{1,64}}>"  # <bos>, </think>, <[PAD]>
)
_AFTER_SQUARE = (  # a title may well have [DVD]
    r"/?[A-Z]+(?:_[A-Z0-9]+)+\]|/[A-Z]+\]"  # [TOOL_CALLS], [/INST]
    r"|(?:INST|CLS|SEP|[gs]?MASK|PAD|UNK|BOS|EOS|EOT|IMG)\]"
)
_AFTER_BAR = r"[A-Z]{5,}\|"  # |ENDOFTEXT|
_AFTER_QUOTE = r">[A-Z]+<<"  # >>TITLE<<
_FORMS = (("<", _AFTER_ANGLE), (r"\[", _AFTER_SQUARE), (r"\|", _AFTER_BAR), (">", _AFTER_QUOTE))
_UNQUOTED = re.compile("|".join(f"{first}(?={rest})" for first, rest in _FORMS))
_QUOTED = re.compile("|".join(f"(?<={first}){MARK}(?={rest})" for first, rest in _FORMS))

# Forms that tokenizers are known to have; <Untitled> may be a title.
_WELL_KNOWN = re.compile(
    r"<[|｜]"
    r"|</?(?:s|bos|eos|pad|unk|mask|sep|cls|eot|eod|think|thinking|item|answer|image|audio|video"
    r"|tool|tools|system|user|assistant|SYS|INST|PAD|UNK|MASK|SEP|CLS|BOS|EOS)>"
    r"|</?[^\s<>]*_[^\s<>]*>"
    r"|[^<]",
    re.DOTALL,
)
# tokenizer -> (number of its added tokens, its guard): copying a tokenizer takes seconds.
_guards: WeakKeyDictionary[Any, tuple[int, "_Guard | None"]] = WeakKeyDictionary()


def quote(text: str) -> str:
    """Return a text of an item with a mark in all that looks like a control token.

    >>> quote("Tea <3").isascii(), quote("Tea <|im_end|>") == f"Tea <{MARK}|im_end|>"
    (True, True)
    """
    return _UNQUOTED.sub(lambda match: match[0] + MARK, text)


def unquote(text: str) -> str:
    """Return a text without the marks of `quote`.

    >>> unquote(quote("Tea <|im_end|> [INST]"))
    'Tea <|im_end|> [INST]'
    """
    return _QUOTED.sub("", text) if MARK in text else text


def quote_for_server(text: str) -> str:
    """Return a quoted text as a server that tokenises it gets it.

    Which control tokens its model has is unknown: the marks of well-known ones stay.
    """
    if MARK not in text:
        return text

    def keep_or_drop(match: re.Match[str]) -> str:
        start = match.start() - 1
        form = unquote(text[start : start + 68])
        return MARK if _WELL_KNOWN.match(form) else ""

    return _QUOTED.sub(keep_or_drop, text)


def quoted_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the token ids of a text, spelling the control tokens that are quoted in it.

    Nothing is put around the text. Without a quoted control token of this tokenizer, the ids are
    those of `tokenizer.encode`.
    """
    plain, marks = _split_marks(text)
    guard = _guard(tokenizer) if marks else None
    if guard is not None:
        return guard.encode(tokenizer, plain, marks)
    if not marks:
        return list(tokenizer.encode(plain, add_special_tokens=False))
    # A tokenizer that cannot be copied: what is cut in two is no control token.
    cuts = [0, *marks, len(plain)]
    parts = [plain[start:stop] for start, stop in pairwise(cuts)]
    return [i for part in parts for i in tokenizer.encode(part, add_special_tokens=False)]


def _split_marks(text: str) -> tuple[str, list[int]]:
    """Return a text without its marks, and where in it they stood."""
    if MARK not in text:
        return text, []
    places = [match.start() - n for n, match in enumerate(_QUOTED.finditer(text))]
    return unquote(text), places


@dataclass(frozen=True)
class _Guard:
    """A copy of a tokenizer that takes control tokens for tokens only behind a guard."""

    backend: Any
    """A `tokenizers.Tokenizer`."""
    original: dict[int, int]
    """Token id of the copy -> token id of the tokenizer, where they differ."""
    control: re.Pattern[str]
    """Matches the control tokens."""

    def encode(self, tokenizer: Any, plain: str, marks: list[int]) -> list[int]:
        """Return the ids of a text whose control tokens around `marks` are spelt."""
        pieces: list[str] = []
        is_any_quoted, end = False, 0
        for match in self.control.finditer(plain):
            if any(match.start() < place < match.end() for place in marks):
                is_any_quoted = True
                continue
            pieces += [plain[end : match.start()].replace(_GUARD, ""), _GUARD + match[0]]
            end = match.end()
        if not is_any_quoted:
            return list(tokenizer.encode(plain, add_special_tokens=False))
        pieces.append(plain[end:].replace(_GUARD, ""))
        ids = self.backend.encode("".join(pieces), add_special_tokens=False).ids
        return [self.original.get(i, i) for i in ids]


def _guard(tokenizer: Any) -> _Guard | None:
    """Return the guard of a tokenizer; None where its tokens cannot be looked into."""
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        return None
    count = len(tokenizer.added_tokens_decoder)
    known = _guards.get(tokenizer)
    if known is None or known[0] != count:
        known = (count, _make_guard(tokenizer))
        _guards[tokenizer] = known
    return known[1]


def _make_guard(tokenizer: Any) -> _Guard | None:
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.backend_tokenizer.to_str())
    # Tokens of white space (runs of spaces, line ends) are in no quoted text.
    added = [token for token in state["added_tokens"] if token["content"].strip()]
    if not added:
        return None
    contents = {token["content"] for token in added}
    ids = {token["content"]: token["id"] for token in state["added_tokens"]}
    for token in added:
        # With a normaliser the guard might not be left as it is.
        token |= {"content": _GUARD + token["content"], "normalized": False}
    _rename(state["model"], contents)
    # The ids of what it puts around a text may be others in the copy.
    state |= {"post_processor": None, "truncation": None, "padding": None}
    backend = Tokenizer.from_str(json.dumps(state))
    original: dict[int, int] = {}
    for content, number in ids.items():
        name = _GUARD + content if content in contents else content
        copied = backend.token_to_id(name)
        if copied is not None:
            original[copied] = number
    # The longest first, as tokenizers match them.
    ordered = sorted(contents, key=len, reverse=True)
    return _Guard(backend, original, re.compile("|".join(map(re.escape, ordered))))


def _rename(model: dict[str, Any], contents: set[str]) -> None:
    """Put the guard before control tokens in the model's own vocabulary.

    Without it, a model could arrive at a control token by spelling the text.
    """
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):  # BPE, WordPiece, WordLevel
        model["vocab"] = {_name(token, contents): i for token, i in vocabulary.items()}
    else:  # Unigram
        model["vocab"] = [[_name(token, contents), score] for token, score in vocabulary]
    if model.get("unk_token") is not None:
        model["unk_token"] = _name(model["unk_token"], contents)
    if "merges" in model:
        model["merges"] = list(_merges_without(model["merges"], contents))


def _name(token: str, contents: set[str]) -> str:
    return _GUARD + token if token in contents else token


def _merges_without(merges: list[Any], contents: set[str]) -> Iterator[Any]:
    """Yield the merges of BPE that neither use nor make one of `contents`."""
    for merge in merges:
        first, second = merge.split(" ") if isinstance(merge, str) else merge
        if not {first, second, first + second} & contents:
            yield merge
