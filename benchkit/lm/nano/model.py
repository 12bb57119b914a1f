"""The nano backbone: a small causal language model trained from scratch on a dataset's histories.

With it every language-model method runs and learns on a laptop without any download. It is a model
of `transformers` in a mainstream architecture, so whatever handles a large model handles it. It
knows the titles, in which order people took them, and nothing else.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from filelock import FileLock
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from benchkit import fingerprint, io, seeds
from benchkit.errors import DataError
from benchkit.lm.prompts import load_template
from benchkit.lm.teachers.template import rationale_phrases
from benchkit.process_state import isolate_process
from benchkit.source_hash import hash_sources
from benchkit.types import Progress, TrainView

if TYPE_CHECKING:
    from benchkit.lm.nano.training import NanoCorpus

_PACKAGES = ("torch", "transformers", "tokenizers")
_TEMPLATE = "compact"  # how prompts for nano write titles


class NanoConfig(BaseModel):
    """How nano is made.

    architecture: of transformers. hidden, layers, heads, kv_heads, intermediate (of the
    feed-forward layers): its shape; input and output embeddings are one table. positions: tokens
    that it accepts; longer than it was trained on (`context`) is read almost as well.
    vocabulary: tokens at most. pieces: merges for spelling. min_count: occurrences in training
    from which a title is one token, if there is room.
    context: tokens of a training window. skip: share of interactions left out of an epoch, drawn
    anew in each. epochs, steps: at most, whichever is less. batch_tokens: of a step; fewer for
    small data. learning_rate: reached after `warmup` steps. averaging: decay a step of the running
    average of the weights. checks: how many times at most the validation loss is taken, on the
    first `validation_cases`; after `patience` in a row without a better one training ends.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Literal["qwen3", "gemma3_text"] = "qwen3"
    hidden: PositiveInt = 64
    layers: PositiveInt = 2
    heads: PositiveInt = 2
    kv_heads: PositiveInt = 2
    intermediate: PositiveInt = 128
    positions: PositiveInt = 1024
    vocabulary: int = Field(default=8192, ge=512)
    pieces: int = Field(default=512, ge=0)
    min_count: PositiveInt = 3
    context: int = Field(default=128, ge=8)
    skip: float = Field(default=0.1, ge=0, lt=1)
    epochs: PositiveInt = 60
    steps: PositiveInt = 2000
    batch_tokens: PositiveInt = 1024
    learning_rate: PositiveFloat = 3e-3
    warmup: PositiveInt = 50
    weight_decay: NonNegativeFloat = 0.0
    averaging: float = Field(default=0.99, ge=0, lt=1)
    checks: PositiveInt = 12
    patience: PositiveInt = 2
    validation_cases: int = Field(default=512, ge=0)
    seed: int = 0

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of 2 heads ({self.heads})")
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads ({self.kv_heads}) must divide heads ({self.heads})")
        return self


def build_nano(
    view: TrainView, config: NanoConfig, cache: Path, progress: Progress, device: str = "cpu"
) -> Path:
    """The folder `cache/nano/<key>` with the trained model and its tokenizer.

    Both load with `from_pretrained`; `nano.json` beside them says how the training went. The key
    is a hash of the data, the config, the code, the versions of the libraries, the device's kind
    and the number of threads: on a CPU the same key means the same weights. What is there already
    is returned at once; of several that need it at the same time one trains and the others wait.

    Raises DataError when there is nothing to learn from.
    """
    import torch

    titles = nano_item_titles(view)
    data = nano_data_hash(view, titles)
    of_device = {"type": torch.device(device).type, "threads": torch.get_num_threads()}
    settings = {
        "data": data,
        "config": config.model_dump(mode="json"),
        "code": hash_sources(Path(__file__)),
        "packages": fingerprint.package_versions(_PACKAGES),
        "device": of_device,
    }
    folder = cache / "nano"
    final = folder / fingerprint.hash_json(settings)
    if final.is_dir():
        return final
    with io.wrap_io_errors(final):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{final.name}.lock"):
            if final.is_dir():
                return final
            for left in folder.glob(f".{final.name}-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            temporary = Path(tempfile.mkdtemp(dir=folder, prefix=f".{final.name}-"))
            try:
                temporary.chmod(0o755)
                with isolate_process(device, "transformers"):
                    facts = _make(view, titles, config, temporary, progress, device)
                io.write_json(temporary / "nano.json", {**facts, **settings})
                _flush(temporary)
                io.move_into_place(temporary, final)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    return final


def read_training_seconds(folder: Path) -> float:
    """How long the model in a folder of `build` was trained."""
    return float(json.loads((folder / "nano.json").read_text(encoding="utf-8"))["seconds"])


def nano_item_titles(view: TrainView) -> list[str]:
    """Each item's title as prompts write it, in the order of item codes."""
    template = load_template(_TEMPLATE)
    return [template.item_title(view.catalog, item) for item in view.catalog.ids]


def nano_data_hash(view: TrainView, titles: Sequence[str]) -> str:
    """16 hexadecimal digits of all that nano learns from."""
    from benchkit.lm.nano.tokenizer import short_catalog_texts

    digest = hashlib.sha256()
    rows, index = view.interactions, view.catalog.index
    digest.update(rows.offsets.astype("<i8").tobytes())
    digest.update(rows.item.astype("<i8").tobytes())
    for request, target in view.validation:
        codes = [len(request.history), *(index[e.item] for e in request.history), index[target]]
        digest.update(np.array(codes, dtype="<i8").tobytes())
    for text in (*titles, "", *short_catalog_texts(view.catalog.texts)):
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()[:16]


def build_corpus(
    view: TrainView, titles: Sequence[str], tokenizer: Any, validation_cases: int
) -> "NanoCorpus":
    """The histories and the validation targets as tokens.

    Targets that are not one token with its end of line are left out, if any is left: a rare title
    costs as much to spell as many frequent ones, and would drown what is known of the order.
    """
    from benchkit.lm.nano.training import NanoCorpus

    rows, index, eos = view.interactions, view.catalog.index, int(tokenizer.eos_token_id)
    encoded = tokenizer([*titles], add_special_tokens=False)["input_ids"]
    whole = np.array([len(ids) == 1 for ids in encoded])
    if not any(whole[index[target]] for _, target in view.validation):
        whole[:] = True
    cases: list[tuple[Any, int]] = []
    for request, target in view.validation:
        if len(cases) >= validation_cases:
            break
        if whole[index[target]]:
            history = np.array([index[event.item] for event in request.history], dtype=np.int64)
            cases.append((history, index[target]))
    return NanoCorpus(
        items=[np.array([*ids, eos], dtype=np.int64) for ids in encoded],
        histories=[rows.sequence(user) for user in range(len(view.users))],
        validation=cases,
        eos=eos,
    )


def _make(
    view: TrainView,
    titles: Sequence[str],
    config: NanoConfig,
    folder: Path,
    progress: Progress,
    device: str,
) -> dict[str, Any]:
    """Train and save; returns what nano.json says of it. Changes global state."""
    import torch

    from benchkit.lm.nano import tokenizer as nano_tokenizer
    from benchkit.lm.nano import training

    if not len(view.interactions):
        raise DataError(
            f"dataset {view.name!r}: no training interactions for nano to learn from",
            "take another backbone",
        )
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_default_dtype(torch.float32)
    started = time.perf_counter()
    counts: Counter[str] = Counter(titles)
    occurs = np.bincount(view.interactions.item, minlength=len(titles))
    weights = dict.fromkeys(counts, 0)
    for title, count in zip(titles, occurs.tolist(), strict=True):
        weights[title] += count
    tokenizer = nano_tokenizer.train_nano_tokenizer(
        weights,
        nano_tokenizer.short_catalog_texts(view.catalog.texts),
        config.pieces,
        config.vocabulary,
        config.min_count,
        rationale_phrases(view.catalog),
    )
    corpus = build_corpus(view, titles, tokenizer, config.validation_cases)
    with torch.enable_grad():
        model = init_nano_model(config, tokenizer).to(device)
        trained = training.train_nano(model, corpus, config, progress)
    trained.model.cpu().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    seconds = time.perf_counter() - started
    return {
        "parameters": sum(p.numel() for p in trained.model.parameters()),
        "vocabulary": len(tokenizer),
        "tokens": trained.tokens,
        "steps": trained.steps,
        "loss": trained.loss,
        "validation_loss": trained.validation_loss,
        "seconds": round(seconds, 2),
    }


def init_nano_model(config: NanoConfig, tokenizer: Any) -> Any:
    """A model with random weights. It draws them from the global generator, which it seeds."""
    import torch
    from transformers import AutoModelForCausalLM, Gemma3TextConfig, Qwen3Config

    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 1000.0}
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": config.hidden,
        "intermediate_size": config.intermediate,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.hidden // config.heads,
        "max_position_embeddings": config.positions,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if config.architecture == "qwen3":
        made: Any = Qwen3Config(**shape, rope_parameters=rope)
    else:
        made = Gemma3TextConfig(
            **shape,
            layer_types=["full_attention"] * config.layers,
            rope_parameters={"full_attention": rope, "sliding_attention": rope},
            query_pre_attn_scalar=config.hidden // config.heads,
        )
    torch.manual_seed(seeds.derive(config.seed, "nano", "weights") % 2**63)
    make: Any = AutoModelForCausalLM.from_config
    return make(made, attn_implementation="sdpa", dtype=torch.float32)


def _flush(folder: Path) -> None:
    """Have the system write a folder's files to disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
