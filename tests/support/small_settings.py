"""Settings with which each method of the catalog trains on the toy dataset in seconds."""

from typing import Any

from benchkit import cards
from tests.support.tiny_models import tiny_backbone

_EXPERT = {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1}}
_ONCE = {"epochs": 1, "batch_size": 8, "micro_batch": 8, "gradient_checkpointing": False}
_ASKED: dict[str, Any] = {"template": "compact", "rationale_tokens": 12}
_TUNED: dict[str, Any] = {
    **_ASKED, "train": _ONCE, "limit_users": 8, "validation_cases": 4, "candidates": 5,
}  # fmt: skip
_REWARDED = {**_TUNED, "group": 2, "answer_tokens": 20}
_BINARY = {**_EXPERT, "config": {**_EXPERT["config"], "loss": "bce"}}
_VECTORS = {"train": _ONCE, "sequential": {"epochs": 2, "hidden": 8, "heads": 1}}
_LISTED = {"template": "compact-list", "constrained": True, "answer_tokens": 40}
_BRIEF = {"epochs": 1, "max_steps": 2, "batch_size": 8, "micro_batch": 8}
_WRITES_IDS = {
    "tiny": {"hidden": 16, "layers": 1, "intermediate": 32}, "text_encoder": "tf-idf",
    "expert": _EXPERT, "train": _BRIEF, "validation_cases": 4,
}  # fmt: skip
# Settings that fit the toy dataset in seconds; the figures are not looked at.
SMALL = {
    "sasrec": {"epochs": 2},
    "recbole/S3Rec": {"epochs": 1, "parameters": {"pretrain_epochs": 1}},
    "zero-shot": _ASKED,
    "chat-rec": {**_LISTED, "expert": _EXPERT, "retrieve": 15},
    "chat-rec+cf": {**_LISTED, "expert": _EXPERT, "retrieve": 15},
    "rec-saver": {**_TUNED, "unverified": "item-only", "per_user": 2},
    "rec-explainer": {**_TUNED, "expert": _EXPERT},
    "instruct-rec": {**_TUNED, "instructions": 1},
    "tallrec": {**_TUNED, "first": _ONCE, "events": 1},
    "rose-po": {**_TUNED, "expert": _EXPERT},
    "gram": {**_WRITES_IDS, "branch": 4},
    "stream-rec": {**_WRITES_IDS, "codes": 16, "pretrain": _BRIEF, "reinforce": _BRIEF},
    "cal-rec": {**_TUNED, "joint": _ONCE, "per_user": 2, "texts": 4},
    "rec-lm": {**_TUNED, "expert": _EXPERT, "lists": {"count": 3, "max_tokens": 40}},
    **dict.fromkeys(("grpo", "intuitor"), _REWARDED),
    "rec-r1": {**_REWARDED, "expert": _BINARY},
    "rec-r1/query": {**_REWARDED, "template": "compact-query", "query_tokens": 12},
    "twice-rec": {**_REWARDED, "expert": _BINARY, "share": 1.0},
    "slm-rec": {**_TUNED, "expert": _EXPERT, "layers": 1, "teacher_layers": 2, "blocks": 1},
    "llara": {**_TUNED, "expert": _EXPERT, "per_user": 1},
    "llm-emb": {**_VECTORS, "expert": _EXPERT, "contrast": 16},
    "said": _VECTORS,
    **{name: {**_TUNED, "expert": _EXPERT} for name in ("eapo", "ea-s-dpo", "ea-ipo", "ea-cpo")},
}
_WRITE_IDS = {"gram", "stream-rec"}
LANGUAGE_MODELS = {"prompted", "sft", "preference", "rl", "hybrid"}  # families of language models


def small_settings(name: str, card: cards.Card) -> dict[str, Any]:
    """Return settings with which a method of the catalog trains on the toy dataset."""
    if name in _WRITE_IDS:  # a tiny T5 of their own
        return SMALL[name]
    if card.family in LANGUAGE_MODELS:
        sft = {"sft": _ONCE} if card.family in ("preference", "rl") else {}
        return {"backbone": tiny_backbone(), **SMALL.get(name, _TUNED), **sft}
    default = {"epochs": 1} if name.startswith("recbole/") else {}
    return SMALL.get(name, default)
