"""The nano backbone: a small causal language model trained from scratch on a dataset's histories.

With it every language-model method runs and learns on a laptop without any download. It is a model
of `transformers` in a mainstream architecture, so whatever handles a large model handles it. It
knows the titles, in which order people chose them, and nothing else.
"""

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchkit import fingerprint, io
from benchkit.errors import DataError
from benchkit.files.checksums import discard_damaged, find_folder_damage, seal_folder
from benchkit.files.shared_lock import lock_shared_result
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.nano.corpus import build_corpus, nano_data_hash, nano_item_titles
from benchkit.lm.nano.tokenizer import short_catalog_texts, train_nano_tokenizer
from benchkit.lm.teachers.template import rationale_phrases
from benchkit.process_state import isolate_process
from benchkit.source_hash import hash_sources
from benchkit.types import Progress, TrainView

_PACKAGES = ("torch", "transformers", "tokenizers")


def build_nano(
    view: TrainView, config: NanoConfig, cache: Path, progress: Progress, device: str = "cpu"
) -> Path:
    """Return the folder `cache/nano/<key>` with the trained model and its tokenizer.

    Both load with `from_pretrained`; `nano.json` beside them says how the training went. The key
    is a hash of the data, the config, the code, the versions of the libraries, the device's kind
    and the number of threads: on a CPU the same key means the same weights. A folder that exists
    is returned at once, and one that is damaged is made again; of several processes that
    need it at the same time one trains and the others wait.

    Raises:
        DataError: There is nothing to learn from.
    """
    import torch

    titles = nano_item_titles(view)
    settings = {
        "data": nano_data_hash(view, titles),
        "config": config.model_dump(mode="json"),
        "code": hash_sources(Path(__file__)),
        "packages": fingerprint.package_versions(_PACKAGES),
        "device": {"type": torch.device(device).type, "threads": torch.get_num_threads()},
    }
    folder = cache / "nano"
    final = folder / fingerprint.hash_json(settings)
    if final.is_dir() and not find_folder_damage(final):
        return final
    with io.wrap_io_errors(final):
        folder.mkdir(parents=True, exist_ok=True)
        with lock_shared_result(folder / f".{final.name}.lock", progress):
            if final.exists():
                damage = find_folder_damage(final)
                if not damage:
                    return final
                discard_damaged(final, damage, progress)
            for leftover in folder.glob(f".{final.name}-*"):  # by a process that was killed
                shutil.rmtree(leftover, ignore_errors=True)
            temporary = Path(tempfile.mkdtemp(dir=folder, prefix=f".{final.name}-"))
            try:
                temporary.chmod(0o755)
                with isolate_process(device, "transformers"):
                    facts = _train(view, titles, config, temporary, progress, device)
                io.write_json(temporary / "nano.json", {**facts, **settings})
                seal_folder(temporary)
                _flush(temporary)
                io.move_into_place(temporary, final)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    return final


def read_training_seconds(folder: Path) -> float:
    """Return how long the model in a folder of `build_nano` was trained."""
    return float(json.loads((folder / "nano.json").read_text(encoding="utf-8"))["seconds"])


def _train(
    view: TrainView,
    titles: Sequence[str],
    config: NanoConfig,
    folder: Path,
    progress: Progress,
    device: str,
) -> dict[str, Any]:
    """Train and save the model; return what nano.json says of it. Changes global state."""
    import torch

    from benchkit.lm.nano.starts import train_from_starts

    if not len(view.interactions):
        raise DataError(
            f"dataset {view.name!r}: no training interactions for nano to learn from",
            "choose another backbone",
        )
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_default_dtype(torch.float32)
    started = time.perf_counter()
    counts: Counter[str] = Counter(titles)
    occurrences = np.bincount(view.interactions.item, minlength=len(titles))
    weights = dict.fromkeys(counts, 0)
    for title, count in zip(titles, occurrences.tolist(), strict=True):
        weights[title] += count
    tokenizer = train_nano_tokenizer(
        weights,
        short_catalog_texts(view.catalog.texts),
        config.pieces,
        config.vocabulary,
        config.min_count,
        rationale_phrases(view.catalog),
    )
    corpus = build_corpus(view, titles, tokenizer, config)
    with torch.enable_grad():
        trained = train_from_starts(corpus, config, tokenizer, progress, device)
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


def _flush(folder: Path) -> None:
    """Make the system write a folder's files to disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
