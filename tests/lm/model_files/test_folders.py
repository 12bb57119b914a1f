"""Models in folders that lack something: each is named, with what to do; none becomes noise."""

import dataclasses
import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from benchkit.errors import ConfigError, StoreError
from benchkit.lm.backbones import load_backbone
from benchkit.lm.config import LMConfig
from benchkit.lm.encoder_decoder.t5 import load_encoder_decoder
from benchkit.lm.engines.openai.server_tokenizer import load_tokenizer
from benchkit.lm.model_files.load_errors import describe_load_error
from benchkit.lm.teachers.sentence_encoder import check_encoder
from benchkit.runs.progress import NoteProgress
from benchkit.testing.fixtures import run_context, toy_dataset
from tests.support.tiny_chat_model import tiny_model, tiny_tokenizer
from tests.support.tiny_encoder_decoder import tiny_t5_folder
from tests.support.tiny_sentence_model import make_sentence_model

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "m"
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def copy(good, tmp_path):
    return Path(shutil.copytree(good, tmp_path / "copy"))


def context(tmp_path):
    return run_context(toy_dataset(users=20, items=60).catalog, tmp_path)


def load(folder, tmp_path, dtype="auto", **config):
    notes = []
    run = dataclasses.replace(context(tmp_path), progress=NoteProgress(notes.append))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone = load_backbone(LMConfig(backbone=str(folder), **config), None, run, dtype)
    return backbone, notes


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def drop_tensor(folder, file=WEIGHTS):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / file)
    tensors = {name: t for name, t in tensors.items() if "layers.0.mlp.down" not in name}
    save_file(tensors, folder / file, metadata={"format": "pt"})


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def only_shards(folder, but_last):
    tokenizer = tiny_tokenizer()
    (folder / WEIGHTS).unlink()
    tiny_model(tokenizer).save_pretrained(folder, max_shard_size="20KB")
    if but_last:
        sorted(folder.glob("model-*"))[-1].unlink()


def as_bin(folder, size):
    from safetensors.torch import load_file

    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    cut(folder / "pytorch_model.bin", size)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12345\n"
DAMAGE = {
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "its folder has no weights", "copy model"),
    "cut off": (lambda f: cut(f / WEIGHTS, -1000), "damaged or were not copied", "again"),
    "empty": (lambda f: cut(f / WEIGHTS, 0), "damaged or were not copied whole", "again"),
    "pointer": (lambda f: (f / WEIGHTS).write_text(POINTER), "damaged or were", "git lfs pull"),
    "bin cut off": (lambda f: as_bin(f, -3000), "damaged or were not copied whole", "again"),
    "a shard lacks": (lambda f: only_shards(f, True), r"missing \(model-.*\)", "again"),
    "a tensor lacks": (drop_tensor, r"1 of its tensors .*layers.0.mlp.down", "copy all files"),
    "other shapes": (lambda f: edit_config(f, intermediate_size=128), "other shapes", "same"),
    "no config": (lambda f: (f / "config.json").unlink(), "Unrecognized model", "folder"),
    "config cut off": (lambda f: cut(f / "config.json", 20), "not a valid JSON", "folder"),
    "too new": (lambda f: edit_config(f, model_type="brandnew"), "does not know its", "newer"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_folder(copy, tmp_path, case):
    damage, cause, hint = DAMAGE[case]
    damage(copy)
    with pytest.raises(ConfigError, match=cause) as raised:
        load(copy, tmp_path)
    assert str(copy) in raised.value.cause and hint in raised.value.hint


def test_whole_folders_load(good, copy, tmp_path):
    whole, notes = load(good, tmp_path)
    only_shards(copy, False)
    shards, _ = load(copy, tmp_path)
    assert not notes
    for first, second in zip(whole.model.parameters(), shards.model.parameters(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("name", "cause"), [("./nowhere/m", "no such folder"), ("a/b/c", "no such folder")]
)
def test_a_folder_that_is_not_there(tmp_path, name, cause):
    with pytest.raises(ConfigError, match=cause) as raised:
        load(name, tmp_path)
    assert "path of a folder that exists" in raised.value.hint


def test_an_encoder_decoder_and_a_sentence_encoder_and_a_tokenizer(tmp_path):
    t5 = Path(shutil.copytree(tiny_t5_folder(), tmp_path / "t5"))
    run = context(tmp_path)
    load_encoder_decoder(str(t5), None, None, run)
    cut(t5 / WEIGHTS, -1000)
    with pytest.raises(ConfigError, match=r"t5.* damaged or were not copied whole"):
        load_encoder_decoder(str(t5), None, None, run)
    (t5 / WEIGHTS).unlink()
    with pytest.raises(ConfigError, match=r"t5.* its folder has no weights"):
        load_encoder_decoder(str(t5), None, None, run)
    sentences = make_sentence_model(tmp_path)
    (weights,) = sentences.rglob(WEIGHTS)
    cut(weights, -1000)
    with pytest.raises(ConfigError, match=r"encoder .* damaged or were not copied whole"):
        check_encoder(str(sentences), "cpu")
    with pytest.raises(ConfigError, match=r"tokenizer './nowhere' cannot be loaded"):
        load_tokenizer("./nowhere")


def test_a_full_disk():
    error = RuntimeError("Data processing error: No space left on device (os error 28)")
    problem = describe_load_error("backbone 'm'", OSError("it broke"), "hint")
    assert isinstance(problem, ConfigError) and problem.hint == "hint"
    outer = OSError("Can't load the model")
    outer.__cause__ = error
    problem = describe_load_error("backbone 'm'", outer, "hint")
    assert isinstance(problem, StoreError) and "does not take its files" in problem.cause
    assert "HF_HOME" in problem.hint
    assert describe_load_error("backbone 'm'", TypeError("a bug"), "hint") is None


# Adapters


@pytest.fixture(scope="module")
def adapter(good, tmp_path_factory):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("adapter") / "a"
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(good), LoraConfig(r=2, target_modules=["q_proj"])
    )
    model.save_pretrained(folder)
    return folder


def edit_adapter(folder, change):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "adapter_model.safetensors")
    save_file(dict(change(n, t) for n, t in tensors.items()), folder / "adapter_model.safetensors")


def rename_base(folder, base):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": base}))


ADAPTERS = {
    "no folder": (shutil.rmtree, "there is no such folder"),
    "no settings": (lambda f: (f / "adapter_config.json").unlink(), "has no adapter_config.json"),
    "no weights": (lambda f: (f / "adapter_model.safetensors").unlink(), "has no adapter_model"),
    "cut off": (lambda f: cut(f / "adapter_model.safetensors", -100), "damaged or were not"),
    "another width": (
        lambda f: edit_adapter(f, lambda n, t: (n, torch.zeros([2 * s for s in t.shape]))),
        "other shapes than the model",
    ),
    "another depth": (
        lambda f: edit_adapter(f, lambda n, t: (n.replace("layers.0", "layers.9"), t)),
        "does not fit the model",
    ),
}


@pytest.mark.parametrize("case", ADAPTERS)
def test_an_adapter_that_does_not_fit(good, adapter, tmp_path, case):
    copy = Path(shutil.copytree(adapter, tmp_path / "copy"))
    damage, cause = ADAPTERS[case]
    damage(copy)
    with pytest.raises(ConfigError, match=f"adapter .*{cause}"):
        load(good, tmp_path, adapter=str(copy))


@pytest.mark.parametrize(("base", "is_said"), [("owner/m", False), ("owner/other", True)])
def test_an_adapter_says_on_what_it_was_trained(good, adapter, tmp_path, base, is_said):
    copy = Path(shutil.copytree(adapter, tmp_path / "copy"))
    rename_base(copy, base)
    backbone, notes = load(good, tmp_path, adapter=str(copy))
    assert hasattr(backbone.model, "peft_config")
    assert [f"was trained on '{base}'" in note for note in notes] == [True] * is_said
