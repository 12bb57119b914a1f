"""Tokenizers and data types as folders and devices have them: without padding, with two starts."""

import contextlib
import dataclasses

import pytest
import torch

from benchkit.errors import ConfigError
from benchkit.lm.backbones import load_backbone
from benchkit.lm.config import LMConfig
from benchkit.lm.engines.hf import HFEngine
from benchkit.lm.model_files.checkpoints import choose_dtype, has_bfloat16
from benchkit.lm.tokenization import prompt_ids
from benchkit.lm.tokens.control_tokens import quote
from benchkit.lm.tokens.tokenizer_check import check_engine_titles
from benchkit.lm.types import Decoding, Message, Prompt
from benchkit.runs.progress import NoteProgress
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.examples import Example
from benchkit.training.sft import train_sft
from tests.support.tiny_chat_model import tiny_model
from tests.support.tokenizers import byte_level, metaspace

# As Llama's and Mistral's: the template begins with the token that the tokenizer puts there, too.
WITH_START = (
    "{{ bos_token }}{% for m in messages %}[INST]{{ m.content }}[/INST]{% endfor %}"
    "{% if add_generation_prompt %}{% endif %}"
)
TEXTS = ["Thing", "ThingThingThing", "T" * 30]


def ask(text):
    return Prompt(text, (Message("user", text),))


@pytest.mark.parametrize("text", ["Thing", quote("Thing</s>")])
@pytest.mark.parametrize("template", [WITH_START, "{{ bos_token }}" + WITH_START])
def test_a_prompt_starts_once(text, template):
    tokenizer = metaspace()
    assert tokenizer.encode("T")[0] == tokenizer.bos_token_id
    tokenizer.chat_template = template
    ids = prompt_ids(tokenizer, ask(text))
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1 and len(ids) > 4


def test_a_start_that_a_template_leaves_out_stays_out():
    tokenizer = metaspace()
    tokenizer.chat_template = WITH_START.removeprefix("{{ bos_token }}")
    assert tokenizer.bos_token_id not in prompt_ids(tokenizer, ask("Thing"))


@pytest.fixture
def folder(tmp_path):
    tokenizer = metaspace()
    assert tokenizer.pad_token is None
    tiny_model(tokenizer).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    return tmp_path / "m"


def load(folder, tmp_path, dtype="auto"):
    notes = []
    data = toy_dataset(users=20, items=60).train_view()
    run = dataclasses.replace(
        run_context(data.catalog, tmp_path), progress=NoteProgress(notes.append)
    )
    return load_backbone(LMConfig(backbone=str(folder)), None, run, dtype), notes


def test_a_tokenizer_without_padding(folder, tmp_path):
    """Answers, scores and training of a batch are those of each text alone."""
    backbone, _ = load(folder, tmp_path)
    engine = HFEngine(backbone.model, backbone.tokenizer)
    greedy = Decoding(max_tokens=8)
    together = list(engine.generate([ask(text) for text in TEXTS], greedy))
    alone = [next(engine.generate([ask(text)], greedy)) for text in TEXTS]
    assert [a.completions for a in together] == [a.completions for a in alone]
    options = [["T", "ThingThing", "s"]] * 3
    scored = list(engine.score([ask(text) for text in TEXTS], options))
    for text, scores in zip(TEXTS, scored, strict=True):
        (expected,) = engine.score([ask(text)], options[:1])
        torch.testing.assert_close(
            torch.tensor(scores.logprobs), torch.tensor(expected.logprobs), rtol=0, atol=1e-4
        )
    examples = [Example(tuple(prompt_ids(backbone.tokenizer, ask(t))), (5, 6)) for t in TEXTS]
    run = run_context(toy_dataset(users=20, items=60).catalog, tmp_path / "run")
    trained = train_sft(backbone.model, examples, TrainConfig(epochs=1, lora=None), run)
    assert all(bool(torch.isfinite(p).all()) for p in trained.parameters())


def test_a_missing_chat_template_is_said(folder, tmp_path):
    _, notes = load(folder, tmp_path)
    assert len(notes) == 1 and "has no chat template" in notes[0]
    assert "chat_template.jinja" in notes[0] and str(folder) in notes[0]
    (folder / "chat_template.jinja").write_text(WITH_START)
    assert load(folder, tmp_path)[1] == []


def test_a_missing_chat_template_of_an_engines_tokenizer_is_said(tmp_path):
    notes = []
    catalog = toy_dataset(users=20, items=60).catalog
    run = dataclasses.replace(run_context(catalog), progress=NoteProgress(notes.append))
    tokenizer = byte_level()
    engine = type("Engine", (), {"title_tokenizer": tokenizer})
    check_engine_titles(engine, catalog, run)
    assert len(notes) == 1 and "has no chat template" in notes[0]
    tokenizer.chat_template = WITH_START
    check_engine_titles(engine, catalog, run)
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("dtype", "device", "has", "expected"),
    [
        ("auto", "cpu", True, "float32"),
        ("auto", "cuda", True, "bfloat16"),
        ("auto", "cuda:1", False, "float32"),
        ("float16", "cuda", False, "float16"),
        ("bfloat16", "cpu", True, "bfloat16"),
    ],
)
def test_a_data_type_that_the_device_has(dtype, device, has, expected):
    chosen, note = choose_dtype(dtype, device, has)
    assert chosen == expected
    assert bool(note) == (dtype == "auto" and not has)


def test_a_data_type_that_the_device_lacks():
    with pytest.raises(ConfigError, match="cuda has no bfloat16") as raised:
        choose_dtype("bfloat16", "cuda", False)
    assert 'dtype = "float32"' in raised.value.hint


def test_bfloat16_on_a_cpu(folder, tmp_path):
    assert has_bfloat16("cpu")
    backbone, _ = load(folder, tmp_path, "bfloat16")
    assert {p.dtype for p in backbone.model.parameters()} == {torch.bfloat16}
    engine = HFEngine(backbone.model, backbone.tokenizer)
    (scores,) = engine.score([ask("Thing")], [["T", "s"]])
    assert (scores.logprobs < 0).all()


@pytest.mark.parametrize(("emulated", "native"), [(True, False), (True, True)])
def test_a_gpu_that_only_emulates_bfloat16_does_not_have_it(monkeypatch, emulated, native):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported",
        lambda including_emulation=True: emulated if including_emulation else native,
    )  # fmt: skip
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    assert has_bfloat16("cuda:0") is native
