"""Log-probabilities from hidden states are those of the model, or it is not asked in this way."""

import pytest
import torch
import transformers

from benchkit.errors import MethodError
from benchkit.lm import shared_prefix as sp
from benchkit.lm.architecture import can_share_prefix
from benchkit.lm.packing import token_logprobs
from benchkit.training.core import token_loss
from tests.support.tiny_models import tiny_model

SIZE = {
    "vocab_size": 50, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2,
}  # fmt: skip
NARROW_VALUES = {  # than queries and keys
    "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16,
    "v_head_dim": 12, "first_k_dense_replace": 2,
}  # fmt: skip
KINDS = {
    "granite": {"logits_scaling": 4.0},
    "hyperclovax": {"logits_scaling": 4.0},
    "cohere": {"logit_scale": 0.25},
    "deepseek_v3": NARROW_VALUES,
}
PROMPTS, RESPONSES = [[3, 4, 5, 6, 7, 8], [9, 10]], [[[11, 12, 13], [14]], [[15, 16]]]


def model_of(kind):
    try:
        config = transformers.AutoConfig.for_model(kind, **SIZE, **KINDS[kind])
    except ValueError:
        pytest.skip(f"this transformers has no {kind}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def separately(model, prompt, response):
    logprobs = model(torch.tensor([prompt + response])).logits[0].log_softmax(dim=-1)
    return logprobs[torch.arange(len(prompt) - 1, len(prompt + response) - 1), response]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel", ["padded", "grouped"])
def test_scaled_logits_and_narrow_values_are_those_of_the_model(kind, kernel):
    from benchkit.lm.packing.kernels import force_kernel

    model = model_of(kind)
    packed = sp.pack_batch(PROMPTS, RESPONSES)
    with torch.no_grad():
        pairs = [(p, r) for p, own in zip(PROMPTS, RESPONSES, strict=True) for r in own]
        expected = torch.cat([separately(model, *pair) for pair in pairs])
        with force_kernel(kernel), sp.use_shared_prefix(model):
            table = sp.response_token_logprobs(model, packed)
    torch.testing.assert_close(table[packed.layout.block >= 0], expected, atol=1e-4, rtol=1e-4)


def test_logits_that_are_scaled_in_an_unknown_way_are_not_guessed():
    model, scaled = tiny_model("llama"), tiny_model("llama")
    plain = scaled.forward

    def forward(*args, **kwargs):
        out = plain(*args, **kwargs)
        out.logits = out.logits * 0.8
        return out

    scaled.forward = forward
    scaled.train()
    before = torch.get_rng_state()
    assert can_share_prefix(model) and not can_share_prefix(scaled)
    assert scaled.training and torch.equal(torch.get_rng_state(), before)
    with pytest.raises(MethodError, match="usual logits"), sp.use_shared_prefix(scaled):
        raise AssertionError("it was let in")


def test_values_narrower_than_queries_attend_in_a_window():
    from benchkit.lm.packing.attention import Heads, attend_in_prompt

    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 11, d, generator=generator) for d in (8, 8, 5))
    place = torch.arange(11)
    ago = place[:, None] - place
    scores = (query @ key.mT / 8**0.5).masked_fill((ago < 0) | (ago >= 4), -torch.inf)
    found = attend_in_prompt(Heads(query, key, value), 4, None)
    torch.testing.assert_close(found, scores.softmax(dim=-1) @ value)


@pytest.mark.parametrize("factor", [3.0, 1.0])
def test_scaling_in_half_precision_keeps_no_logits_of_large_vocabularies(monkeypatch, factor):
    model, in_chunks = model_of("granite").bfloat16(), []
    model.config.logits_scaling = factor

    def chunked(*args):
        in_chunks.append(args)
        return token_logprobs.target_logprobs(*args)

    monkeypatch.setattr(token_loss, "target_logprobs", chunked)
    monkeypatch.setattr(token_logprobs, "MOST_LOGITS", 0)
    labels = torch.randint(3, 50, (2, 20), generator=torch.Generator().manual_seed(0))
    batch = {"input_ids": labels, "labels": labels, "weights": torch.ones(2, 20)}
    with torch.no_grad():
        losses, _ = token_loss.label_losses(model, batch)
        logits = model(labels).logits[:, :-1].float().flatten(0, 1)
    expected = torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten(), reduction="none")
    assert in_chunks
    torch.testing.assert_close(losses, expected, atol=0.05, rtol=0.02)
