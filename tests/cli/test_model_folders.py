"""Models as users' folders hold them, through the command line."""

import csv
import json
from pathlib import Path

import polars as pl
import pytest
import torch
import transformers

from tests.support import tokenizers
from tests.support.command_line import invoked
from tests.support.tiny_chat_model import CHATML, tiny_tokenizer

SUITE = """
title = "t"
protocols = ["scored"]
[[datasets]]
name = "shop"
source = "table"
options = {{ interactions = "r.csv", items = "i.csv" }}
candidates = {{ count = 5 }}
[[methods]]
method = "{method}"
config = {{ backbone = "./m" }}
"""
SYSTEM_REFUSED = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}" + CHATML
)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A function that writes a shop of 20 items and runs a method on a model's folder."""
    monkeypatch.chdir(tmp_path)
    with Path("r.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "item", "rating", "timestamp"])
        for user in range(8):
            rows.writerows(
                [f"u{user}", f"i{(user * 3 + n * 7) % 20:02}", 1 + (user + n) % 5, 1000 * user + n]
                for n in range(6)
            )

    def run(config, tokenizer, titles=None, method="zero-shot", code=0):
        with Path("i.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["item", "title"])
            names = titles or [f"Thing {n}" for n in range(20)]
            rows.writerows([f"i{n:02}", name] for n, name in enumerate(names))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            transformers.AutoModelForCausalLM.from_config(config).save_pretrained("m")
        if tokenizer is not None:
            tokenizer.save_pretrained("m")
        (tmp_path / "s.toml").write_text(SUITE.format(method=method))
        text = invoked("run", "--suite", "s.toml", code=code).output
        return " ".join(text.split())

    return run


def qwen(vocabulary=400, **changes):
    return transformers.Qwen3Config(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=2048,
        **changes,
    )  # fmt: skip


def predictions(folder):
    (path,) = folder.glob("runs/*/shop/*/*/predictions.parquet")
    return pl.read_parquet(path)


def hint(folder):
    (path,) = folder.glob("runs/*/shop/*/*/log.jsonl")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    (error,) = [event["error"] for event in events if event["event"] == "failed"]
    return error


@pytest.mark.parametrize(
    "config",
    [
        qwen(),
        transformers.GPT2Config(vocab_size=400, n_embd=16, n_layer=1, n_head=2),
        transformers.LlamaConfig(vocab_size=400, hidden_size=16, num_hidden_layers=1,
                                 num_attention_heads=2, intermediate_size=32),
    ],
    ids=["qwen3", "gpt2", "llama"],
)  # fmt: skip
def test_no_tokenizer(shop, tmp_path, config):
    assert "cannot be loaded: no tokenizer in the folder" in shop(config, None, code=1)
    assert "copy the tokenizer's files" in hint(tmp_path)


def test_a_tokenizer_that_does_not_know_the_titles(shop):
    tokenizer = tokenizers.word_level(["Thing", *(f"w{n}" for n in range(99))])
    assert "loses 20 of 20 titles, 20 of them to unknown" in shop(qwen(), tokenizer, code=1)


@pytest.mark.parametrize(
    ("make", "control", "like"),
    [(tiny_tokenizer, "<|im_end|>", "<|im-end|>"), (tokenizers.byte_level, "</think>", "</thinq>")],
)
def test_control_tokens(shop, tmp_path, make, control, like):
    lengths = []
    for text in (control, like):
        titles = [f"Thing {n}{text if n % 3 == 0 else ''}" for n in range(20)]
        tokenizer = make()
        shop(qwen(), tokenizer, titles)
        (path,) = sorted(tmp_path.glob("runs/*/shop/*/*/predictions.parquet"))
        lengths.append(sorted(pl.read_parquet(path)["lengths"].to_list()))
        path.unlink()
    assert lengths[0] == lengths[1]


def test_a_template_without_a_system_role(shop, tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = SYSTEM_REFUSED
    shop(qwen(), tokenizer)
    table = predictions(tmp_path)
    assert table["status"].unique().to_list() == ["ok"]


def test_a_template_that_takes_nothing(shop):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('only tools') }}"
    assert "the model's chat template does not take" in shop(qwen(), tokenizer, code=1)


@pytest.mark.parametrize(
    "config",
    [
        transformers.BloomConfig(vocab_size=300, hidden_size=16, n_layer=1, n_head=2),
        transformers.MambaConfig(vocab_size=300, hidden_size=16, num_hidden_layers=1),
    ],
    ids=["bloom", "mamba"],
)
def test_models_without_a_longest_prompt(shop, tmp_path, config):
    shop(config, tiny_tokenizer())
    table = predictions(tmp_path)
    assert table["status"].unique().to_list() == ["ok"]
    assert table["scores"].null_count() == 0


def test_the_candidates_of_training_are_the_methods_own(shop, tmp_path):
    text = shop(qwen(), tiny_tokenizer(), method="sft", code=1)
    assert "a training prompt lists 30 candidates (the method's setting candidates)" in text
    assert "config = { candidates = 5 }" in hint(tmp_path)
