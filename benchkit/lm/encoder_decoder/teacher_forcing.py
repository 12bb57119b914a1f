"""What an encoder-decoder thinks of given answers, and a beam search among them.

`Encoded` holds what the encoder made of b inputs; how it did is the method's. An option is a tuple
of token ids, with its end if it has one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchkit.lm.tokens.trie import Trie

_ROW_TOKENS = 65_536  # encoder states, repeated for each option, of a forward pass
Options = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Encoded:
    """States of encoders' inputs."""

    states: Tensor
    """[b, s, d]"""
    mask: Tensor
    """[b, s] 1 where there is a token, else 0."""

    def rows(self, index: Tensor) -> "Encoded":
        """Return the states of these inputs, in this order; an input may come several times."""
        return Encoded(self.states[index], self.mask[index])

    def row(self, number: int) -> "Encoded":
        """Return the states of one input."""
        return Encoded(self.states[[number]], self.mask[[number]])

    def __len__(self) -> int:
        return len(self.states)


def encode(model: Any, tokens: Tensor, mask: Tensor) -> Encoded:
    """Encode [b, s] token ids, each row as one input."""
    output = model.get_encoder()(input_ids=tokens, attention_mask=mask)
    return Encoded(output.last_hidden_state, mask)


def decode_logits(model: Any, encoded: Encoded, answers: Tensor) -> Tensor:
    """Compute [b, l, v] logits, in float32, of each token of answers [b, l] given those before.

    Padding comes behind an answer; what is predicted for it means nothing.
    """
    logits: Tensor = _run_decoder(model, encoded, answers).logits
    return logits.float()


def _run_decoder(model: Any, encoded: Encoded, answers: Tensor) -> Any:
    from transformers.modeling_outputs import BaseModelOutput

    start = answers.new_full((len(answers), 1), model.config.decoder_start_token_id)
    return model(
        encoder_outputs=BaseModelOutput(last_hidden_state=encoded.states),
        attention_mask=encoded.mask,
        decoder_input_ids=torch.cat([start, answers[:, :-1]], dim=1),
        use_cache=False,
    )


def token_logprobs(logits: Tensor, answers: Tensor) -> Tensor:
    """Return [b, l] log-probabilities of answers' tokens under logits [b, l, v]."""
    picked = logits.gather(-1, answers[..., None])[..., 0]
    return picked - logits.logsumexp(dim=-1)


def pad_token_rows(rows: Options, padding: int, device: Any = "cpu") -> Tensor:
    """Return rows of token ids as [b, longest], padded at their ends."""
    width = max((len(row) for row in rows), default=0)
    table = np.full((len(rows), max(width, 1)), padding, dtype=np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(table).to(device)


@torch.no_grad()
def score_options(
    model: Any, encoded: Encoded, options: Sequence[Options], begins: Options | None = None
) -> list[NDArray[np.float64]]:
    """Return the log-probability of each option of each input, by teacher forcing.

    Args:
        model: An encoder-decoder, in evaluation mode.
        encoded: States of b inputs.
        options: [b] lists of options.
        begins: [b] how the answer to each input begins, before its options; () by default.
    """
    prefix = begins or [()] * len(options)
    flat = [(row, option) for row, some in enumerate(options) for option in some]
    size = max(1, _ROW_TOKENS // max(1, encoded.states.shape[1]))
    values: list[float] = []
    for start in range(0, len(flat), size):
        block = flat[start : start + size]
        answers = [(*prefix[row], *option) for row, option in block]
        counted = [[0] * len(prefix[row]) + [1] * len(option) for row, option in block]
        device = encoded.states.device
        padded = pad_token_rows(answers, 0, device)
        owner = torch.tensor([row for row, _ in block], device=device)
        logits = decode_logits(model, encoded.rows(owner), padded)
        logprobs = token_logprobs(logits, padded).double()
        values += (logprobs * pad_token_rows(counted, 0, device)).sum(dim=1).tolist()
    sizes = np.cumsum([len(some) for some in options])[:-1]
    return [np.array(part) for part in np.split(np.array(values), sizes)]


@torch.no_grad()
def search_options(
    model: Any, encoded: Encoded, options: Options, beam: int
) -> NDArray[np.float64]:
    """Return log-probabilities of the options that a beam search ends in; -inf of all others.

    Only tokens with which an option goes on may follow, but their probabilities are those among
    all tokens: with a beam as wide as there are options, the result is that of `score_options`.

    Args:
        model: An encoder-decoder, in evaluation mode.
        encoded: States of one input.
        options: Different options, none of which begins another.
        beam: Unfinished answers that are kept at each token.
    """
    scores = np.full(len(options), -np.inf)
    live: list[tuple[float, tuple[int, ...], Trie]] = [(0.0, (), Trie.from_options(options))]
    while live:
        answers = pad_token_rows([(*prefix, 0) for _, prefix, _ in live], 0, encoded.states.device)
        rows = encoded.rows(torch.zeros(len(live), dtype=torch.long))
        logprobs = F.log_softmax(decode_logits(model, rows, answers)[:, -1], dim=-1).double()
        longer = []
        for (score, prefix, node), row in zip(live, logprobs.cpu().numpy(), strict=True):
            for token, child in node.children.items():
                value = score + float(row[token])
                for option in child.ends:
                    scores[option] = value
                if child.children:
                    longer.append((value, (*prefix, token), child))
        longer.sort(key=lambda entry: -entry[0])
        live = longer[:beam]
    return scores


def cross_entropy_sum(logits: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of weights [b, l] times the cross-entropies of answers [b, l]."""
    losses = F.cross_entropy(logits.transpose(1, 2), answers, reduction="none")
    return (losses * weights).sum()
