"""From text to token ids, in one place: training, scoring and generation must cut alike.

Prompt and continuation are tokenised apart and joined as ids. Tokenising the joined text instead
lets a merge cross the boundary, so that what is scored is not what was trained.

A tokenizer here is one of `transformers`; nothing heavy is imported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from benchkit.errors import ConfigError
from benchkit.lm.tokens.control_tokens import quoted_ids, unquote
from benchkit.lm.types import Message, Prompt

_MARK = "benchkitanswer"
# tokenizer -> (chat template, eos id, end of turn): rendering a template for each continuation
# would cost more than tokenising it.
_ends: WeakKeyDictionary[Any, tuple[Any, Any, tuple[int, ...]]] = WeakKeyDictionary()
# tokenizer -> (chat template, whether it has a system role).
_system_roles: WeakKeyDictionary[Any, tuple[Any, bool]] = WeakKeyDictionary()
_SHORT = 200  # characters of a text whose ids are remembered: a title, with its ending
_MOST_REMEMBERED = 50_000  # short texts of a tokenizer
_LONG_REMEMBERED = 32
_known_texts: "WeakKeyDictionary[Any, _KnownTexts]" = WeakKeyDictionary()


@dataclass
class _KnownTexts:
    """Texts whose token ids are known, of a tokenizer with `size` tokens."""

    size: int
    short: dict[str, tuple[int, ...]] = field(default_factory=dict)
    long: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The last few: a prompt is counted, and then encoded, once for each of its samples."""


def text_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text that continues what stands before it: no token is put around it.

    Control tokens that are quoted in it (`control_tokens.quote`) are spelt. Ids of short texts are
    remembered: titles come again in every history and list of candidates. They are forgotten when
    the tokenizer gets another number of tokens; no other change of it is noticed.
    """
    if not text:
        return []
    known = _known_texts.get(tokenizer)
    if known is None or known.size != len(tokenizer) or len(known.short) >= _MOST_REMEMBERED:
        known = _known_texts[tokenizer] = _KnownTexts(len(tokenizer))
    texts = known.short if len(text) <= _SHORT else known.long
    ids = texts.get(text)
    if ids is None:
        if texts is known.long and len(texts) >= _LONG_REMEMBERED:
            texts.clear()
        ids = texts[text] = tuple(quoted_ids(tokenizer, text))
    return [*ids]


def prompt_ids(tokenizer: Any, prompt: Prompt) -> list[int]:
    """Return the ids of a prompt and of how its answer begins, ready for a continuation.

    The messages go through the tokenizer's chat template, up to where the assistant begins to
    speak; without a template their contents are joined by line breaks, after the tokenizer's own
    beginning-of-text token. Each piece of the prefill is tokenised apart. Where the template has
    no system role, the system's text goes before the user's.

    Raises:
        ConfigError: The chat template does not take the messages.
    """
    if getattr(tokenizer, "chat_template", None):
        ids = _chat_ids(tokenizer, prompt.messages)
    else:
        ids = _ids_with_start(tokenizer, "\n".join(m.content for m in prompt.messages))
    return [*ids, *(i for piece in prompt.prefill for i in text_ids(tokenizer, piece))]


def _chat_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Return the ids of messages in the chat template, up to where the assistant speaks."""
    if not has_system_role(tokenizer):
        messages = join_system_text(messages)
    if any(unquote(message.content) != message.content for message in messages):
        text = _apply_template(tokenizer, messages, add_generation_prompt=True, tokenize=False)
        return _start_once(tokenizer, text_ids(tokenizer, text))
    ids = _apply_template(
        tokenizer, messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    return _start_once(tokenizer, list(ids))


def _start_once(tokenizer: Any, ids: list[int]) -> list[int]:
    """Return ids with one token that begins a text, where template and tokenizer both put one."""
    bos = tokenizer.bos_token_id
    repeated = 0
    while bos is not None and ids[repeated : repeated + 2] == [bos, bos]:
        repeated += 1
    return ids[repeated:]


def _apply_template(tokenizer: Any, messages: Sequence[Message], **settings: Any) -> Any:
    """Return what the chat template makes of messages. Raises ConfigError if it refuses them."""
    from jinja2 import TemplateError

    try:
        return tokenizer.apply_chat_template([m._asdict() for m in messages], **settings)
    except TemplateError as error:
        roles = ", ".join(message.role for message in messages)
        raise ConfigError(
            f"the model's chat template does not take a conversation of {roles}: {error}",
            "use another model, or correct chat_template in the folder of its tokenizer",
        ) from error


def has_system_role(tokenizer: Any) -> bool:
    """Return whether the chat template puts a system's text into the prompt.

    Some templates refuse it (Gemma 2, Mistral 7B), and some leave it out without a word.
    """
    template = tokenizer.chat_template
    known = _system_roles.get(tokenizer)
    if known is None or known[0] != template:
        turns = [Message("system", _MARK), Message("user", "x")]
        try:
            text = _apply_template(tokenizer, turns, tokenize=False)
        except ConfigError:
            text = ""
        known = (template, _MARK in text)
        _system_roles[tokenizer] = known
    return known[1]


def join_system_text(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Put the system's text before that of the message that follows.

    >>> join_system_text([Message("system", "Be brief."), Message("user", "Hello")])
    (Message(role='user', content='Be brief.\\n\\nHello'),)
    """
    if not messages or messages[0].role != "system":
        return tuple(messages)
    texts = [message.content for message in messages[:2]]
    return (Message("user", "\n\n".join(texts)), *messages[2:])


def _ids_with_start(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text with the tokens that start a sequence, without one that ends it."""
    if unquote(text) != text:
        whole, bare = list(tokenizer.encode("x")), text_ids(tokenizer, "x")
        start = whole.index(bare[0]) if bare else 0
        return [*whole[:start], *text_ids(tokenizer, text)]
    ids = list(tokenizer.encode(text))
    bare = text_ids(tokenizer, text)
    closed = len(ids) > len(bare) and ids[-1] == tokenizer.eos_token_id
    # With nothing but one added token, it opens the sequence.
    return ids[:-1] if closed and len(ids) > 1 else ids


def continuation_ids(tokenizer: Any, text: str, end: bool) -> list[int]:
    """Return the ids of an answer's text, with the end of turn after it if `end`."""
    return [*text_ids(tokenizer, text), *(end_of_turn(tokenizer) if end else ())]


def end_of_turn(tokenizer: Any) -> tuple[int, ...]:
    """Return the token that ends an answer: the first special token that the template puts after an
    assistant's message (`<|im_end|>`, `<end_of_turn>`), else the end of text; () with neither."""
    template, eos = getattr(tokenizer, "chat_template", None), tokenizer.eos_token_id
    known = _ends.get(tokenizer)
    if known is None or known[:2] != (template, eos):
        known = (template, eos, _find_end(tokenizer, eos) if template else _only(eos))
        _ends[tokenizer] = known
    return known[2]


def _find_end(tokenizer: Any, eos: int | None) -> tuple[int, ...]:
    turns = [Message("user", "x"), Message("assistant", _MARK)]
    text = _apply_template(tokenizer, turns, tokenize=False)
    special = set(tokenizer.all_special_ids)
    special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    after = text_ids(tokenizer, text.rpartition(_MARK)[2])
    return next(((i,) for i in after if i in special), _only(eos))


def _only(eos: int | None) -> tuple[int, ...]:
    return () if eos is None else (eos,)
