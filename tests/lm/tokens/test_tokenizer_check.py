"""Tokenizers with which a model would answer at chance are refused."""

import pytest
import transformers
from tokenizers import Regex, normalizers

from benchkit.errors import ConfigError
from benchkit.lm.tokens.tokenizer_check import check_tokenizer_on_titles, check_vocabulary
from benchkit.types import Catalog
from tests.support import tokenizers
from tests.support.tiny_chat_model import tiny_tokenizer

THINGS = [f"Thing {number}" for number in range(20)]


def catalog(titles):
    return Catalog(tuple(f"i{n}" for n in range(len(titles))), {"title": titles})


@pytest.mark.parametrize(
    "config",
    ["Qwen2", "Qwen3", "Gemma2", "Gemma3Text", "GPT2", "OPT", "Olmo", "GPTNeoX", "XGLM", "Mamba"],
)
def test_a_folder_without_tokenizer_files_is_refused(config, tmp_path):
    getattr(transformers, f"{config}Config")().save_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="backbone 'm' cannot be loaded: no tokenizer in the"):
        check_vocabulary(tokenizer, "backbone 'm'")


@pytest.mark.parametrize(
    "make",
    [tokenizers.byte_level, tokenizers.metaspace, tokenizers.unigram, tokenizers.word_pieces,
     tokenizers.code_points, tiny_tokenizer],
)  # fmt: skip
def test_tokenizers_that_can_write_the_titles_are_taken(make):
    titles = [*THINGS, "Amelie (2001)", "What's up, <s> [SEP] doc?", "a  b"]
    assert check_tokenizer_on_titles(make(), catalog(titles), "backbone 'm'") is None


def test_bytes_can_write_any_title():
    titles = ["东西 1", "Amélie", "🎬 Movie", "Ｆｕｌｌ"]
    assert check_tokenizer_on_titles(tiny_tokenizer(), catalog(titles), "backbone 'm'") is None


def test_unknown_tokens_are_refused():
    tokenizer = tokenizers.word_level(["Thing", *(f"w{n}" for n in range(100))])
    with pytest.raises(ConfigError, match="loses 20 of 20 titles, 20 of them to unknown tokens"):
        check_tokenizer_on_titles(tokenizer, catalog(THINGS), "backbone 'm'")


def test_titles_that_do_not_come_back_are_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(Regex("[0-9]"), "")
    with pytest.raises(ConfigError, match=r"loses 20 of 20 .* 'Thing 0' becomes 'Thing '"):
        check_tokenizer_on_titles(tokenizer, catalog(THINGS), "backbone 'm'")


def test_a_few_lost_titles_are_named():
    note = check_tokenizer_on_titles(
        tokenizers.metaspace(), catalog([*THINGS, "东西"]), "backbone 'm'"
    )
    assert note is not None
    assert "loses 1 of 21 titles" in note


def test_a_tokenizer_of_a_larger_model_is_refused():
    with pytest.raises(ConfigError, match="the model 50 embeddings"):
        check_tokenizer_on_titles(tiny_tokenizer(), catalog(THINGS), "backbone 'm'", embeddings=50)
    assert check_tokenizer_on_titles(tiny_tokenizer(), catalog(THINGS), "backbone 'm'", 300) is None


def test_items_without_titles_are_checked_by_their_ids():
    assert (
        check_tokenizer_on_titles(tiny_tokenizer(), Catalog(("a", "b"), {}), "backbone 'm'") is None
    )
