"""From text to token ids, in one place: training, scoring and generation must cut alike.

Prompt and continuation are tokenised apart and joined as ids. Tokenising the joined text instead
lets a merge cross the boundary, so that what is scored is not what was trained.

A tokenizer here is one of `transformers`; nothing heavy is imported.
"""

from typing import Any
from weakref import WeakKeyDictionary

from benchkit.lm.types import Prompt

_MARK = "benchkitanswer"
# tokenizer -> (chat template, eos id, end of turn): rendering a template for each continuation
# would cost more than tokenising it.
_ends: WeakKeyDictionary[Any, tuple[Any, Any, tuple[int, ...]]] = WeakKeyDictionary()


def text_ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text that continues what stands before it: no token is put around it."""
    return list(tokenizer.encode(text, add_special_tokens=False)) if text else []


def prompt_ids(tokenizer: Any, prompt: Prompt) -> list[int]:
    """Return the ids of a prompt and of how its answer begins, ready for a continuation.

    The messages go through the tokenizer's chat template, up to where the assistant begins to
    speak; without a template their contents are joined by line breaks, after the tokenizer's own
    beginning-of-text token. Each piece of the prefill is tokenised apart.
    """
    if getattr(tokenizer, "chat_template", None):
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
    else:
        ids = _ids_with_start(tokenizer, "\n".join(m.content for m in prompt.messages))
    return [*ids, *(i for piece in prompt.prefill for i in text_ids(tokenizer, piece))]


def _ids_with_start(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text with the tokens that start a sequence, without one that ends it."""
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
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": _MARK}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    special = set(tokenizer.all_special_ids)
    special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    after = text_ids(tokenizer, text.rpartition(_MARK)[2])
    return next(((i,) for i in after if i in special), _only(eos))


def _only(eos: int | None) -> tuple[int, ...]:
    return () if eos is None else (eos,)
