"""A tiny T5 with random weights, and its folder."""

from functools import lru_cache
from typing import Any

from benchkit.lm.encoder_decoder.t5 import TinyT5Config, build_tiny_t5, train_word_tokenizer
from benchkit.testing.fixtures import make_test_folder

SMALL_T5 = {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32}


def tiny_t5(vocabulary: int = 40, seed: int = 0) -> Any:
    """In evaluation mode, with weights large enough that answers differ."""
    import torch

    model = build_tiny_t5(TinyT5Config(**SMALL_T5), vocabulary, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.4)
    return model


@lru_cache(maxsize=1)
def tiny_t5_folder() -> str:
    """A folder with a tiny T5 and a tokenizer that knows the words of generated catalogues."""
    words = "drama comedy thriller western musical documentary fantasy noir story no . item other"
    tokenizer = train_word_tokenizer(
        [words, " ".join(map(str, range(130))), "what would user purchase after similar text"], 400
    )
    folder = make_test_folder("t5-")
    tokenizer.save_pretrained(folder)
    tiny_t5(len(tokenizer)).save_pretrained(folder)
    return str(folder)
