"""BERT whose linear layers multiply 8-bit integers: sentence vectors in a third of the time.

A processor with AVX-512 VNNI multiplies bytes twice as fast as bfloat16 and four times as fast as
float32; one with AMX gains more. Weights are rounded once, a scale for each output. What enters a
layer is rounded when it comes, a scale for each token, so that a text's vector does not depend on
its neighbours (Dettmers et al., 2022, "LLM.int8()", without its outlier columns). Attention, GELU
and layer normalisation stay in float32.

Texts of one length are computed together, without padding. Each thread has buffers of its own,
since fresh memory for every layer would cost a tenth of the time.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

_LEVELS = 127  # of either sign in a signed byte
_PIECE = 800  # tokens that are computed together: 16 MB of buffers a thread for MiniLM


@dataclass(frozen=True)
class Int8Linear:
    """A linear layer of k inputs and n outputs, rounded to bytes."""

    weight: "Tensor"
    """[k, n] int8."""
    scale: "Tensor"
    """[n] float32: what one step of an output's weights is worth."""
    bias: "Tensor"
    """[n] float32."""


@dataclass(frozen=True)
class _Norm:
    """The numbers of a layer normalisation over d values."""

    weight: "Tensor"
    bias: "Tensor"
    eps: float

    def __call__(self, states: "Tensor") -> "Tensor":
        """Return [m, d] normalised rows."""
        from torch.nn.functional import layer_norm

        return layer_norm(states, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class _Layer:
    projections: Int8Linear  # queries, keys and values beside each other
    attended: Int8Linear
    attention_norm: _Norm
    widened: Int8Linear
    narrowed: Int8Linear
    output_norm: _Norm


class _Buffers:
    """Memory for one piece of text, used again by every layer of every piece."""

    def __init__(self, rows: int, width: int) -> None:
        import torch

        self._outputs = torch.empty(rows * width, dtype=torch.float32)
        self._scaled = torch.empty(rows * width, dtype=torch.float32)
        self._sums = torch.empty(rows * width, dtype=torch.int32)
        self._bytes = torch.empty(rows * width, dtype=torch.int8)

    def multiply(self, states: "Tensor", layer: Int8Linear) -> "Tensor":
        """Return [m, n] float32 outputs of a layer for [m, k] states, valid until the next call.

        The states may be the last outputs: they are rounded before these are written over.
        """
        import torch

        rows, (inputs, outputs) = len(states), layer.weight.shape
        scaled = self._scaled[: rows * inputs].view(rows, inputs)
        rounded = self._bytes[: rows * inputs].view(rows, inputs)
        sums = self._sums[: rows * outputs].view(rows, outputs)
        out = self._outputs[: rows * outputs].view(rows, outputs)
        scale = _largest(states).div_(_LEVELS)
        torch.div(states, scale, out=scaled)
        rounded.copy_(scaled.round_())
        torch._int_mm(rounded, layer.weight, out=sums)
        out.copy_(sums).mul_(scale)
        return torch.addcmul(layer.bias, out, layer.scale, out=out)


class Int8Bert:
    """Mean directions of the last states of a BERT, computed in bytes on the CPU.

    Args:
        model: A `BertModel` of transformers in float32, without dropout; it is not changed.

    Raises:
        ValueError: The model is no BERT, decodes, has another activation or another number format.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        kind = config.model_type, config.hidden_act, config.is_decoder, str(model.dtype)
        if kind != ("bert", "gelu", False, "torch.float32"):
            raise ValueError(f"a BERT with GELU in float32 that encodes is needed, not {kind}")
        self._heads, self._size = config.num_attention_heads, config.hidden_size
        self._width = max(config.intermediate_size, 3 * self._size)
        embeddings = model.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        kinds = embeddings.token_type_embeddings.weight.detach()
        self._positions = embeddings.position_embeddings.weight.detach() + kinds[0]
        self._norm = _read_norm(embeddings.LayerNorm)
        self._layers = [_read_layer(layer) for layer in model.encoder.layer]

    def encode(self, texts: Sequence[Sequence[int]], threads: int) -> NDArray[np.float32]:
        """Return [n, d] mean directions of n texts of at least one token, each of length 1.

        Args:
            texts: Token ids, with what the tokenizer puts around them.
            threads: Number of pieces computed at a time, each in a thread of Python. PyTorch itself
                should use one.
        """
        vectors = np.empty((len(texts), self._size), dtype=np.float32)
        pieces = deque(_pieces([len(text) for text in texts]))
        most = max((len(piece) * len(texts[piece[0]]) for piece in pieces), default=0)

        def work(_: int) -> None:
            buffers = _Buffers(most, self._width)
            while True:
                try:
                    piece = pieces.popleft()
                except IndexError:  # another thread took the last one
                    return
                try:
                    vectors[piece] = self._directions([texts[row] for row in piece], buffers)
                except BaseException:
                    pieces.clear()  # no thread begins another piece
                    raise

        with ThreadPoolExecutor(threads) as pool:
            try:
                list(pool.map(work, range(threads)))  # raises what a thread raised
            finally:
                pieces.clear()  # nor after an interrupt
        return vectors

    def _directions(self, texts: Sequence[Sequence[int]], buffers: _Buffers) -> NDArray[np.float32]:
        """Return [b, d] mean directions of b texts of one length."""
        import torch
        from torch.nn.functional import normalize

        with torch.inference_mode():
            tokens = torch.tensor(texts)
            embedded = self._words[tokens] + self._positions[: tokens.shape[1]]
            states = self._norm(embedded.flatten(0, 1))
            for layer in self._layers:
                states = self._apply(layer, states, tokens.shape[1], buffers)
            means = states.view(len(texts), -1, self._size).mean(dim=1)
            directions: NDArray[np.float32] = normalize(means).numpy()
        return directions

    def _apply(self, layer: _Layer, states: "Tensor", length: int, buffers: _Buffers) -> "Tensor":
        """Return the [m, d] states after a layer, for texts of `length` tokens each."""
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        shape = (-1, length, 3, self._heads, self._size // self._heads)
        parts = buffers.multiply(states, layer.projections).view(shape)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(queries, keys, values)
        mixed = mixed.transpose(1, 2).reshape(len(states), self._size)
        states = layer.attention_norm(buffers.multiply(mixed, layer.attended).add_(states))
        wide = torch.ops.aten.gelu_(buffers.multiply(states, layer.widened))
        return layer.output_norm(buffers.multiply(wide, layer.narrowed).add_(states))


def multiplies_bytes_exactly() -> bool:
    """Return whether PyTorch's product of bytes is exact here.

    Old versions of PyTorch, and oneDNN without VNNI, add pairs of products in 16 bits, which
    saturate.
    """
    import torch

    rows = torch.full((32, 64), _LEVELS, dtype=torch.int8)
    rows[1::2] = -_LEVELS  # so that sums saturate at either end
    try:
        product = torch._int_mm(rows, rows.t())
    except (AttributeError, RuntimeError):  # an operation that this PyTorch lacks
        return False
    return torch.equal(product.long(), rows.long() @ rows.long().t())


def round_linear(weight: "Tensor", bias: "Tensor") -> Int8Linear:
    """Return the layer of an [n, k] weight and an [n] bias, rounded to bytes."""
    import torch

    scale = _largest(weight).div_(_LEVELS)
    rounded = (weight / scale).round_().to(torch.int8)
    return Int8Linear(rounded.contiguous().t(), scale.flatten(), bias.clone())


def _largest(rows: "Tensor") -> "Tensor":
    """Return [m, 1] largest magnitudes of m rows, above 0 so that one can divide by them."""
    import torch

    high, low = rows.amax(dim=1, keepdim=True), rows.amin(dim=1, keepdim=True)
    return torch.maximum(high, low.neg_()).clamp_(min=1e-30)


def _read_norm(module: Any) -> _Norm:
    return _Norm(module.weight.detach(), module.bias.detach(), module.eps)


def _read_layer(layer: Any) -> _Layer:
    import torch

    attention = layer.attention.self
    parts = (attention.query, attention.key, attention.value)
    weight = torch.cat([part.weight.detach() for part in parts])
    bias = torch.cat([part.bias.detach() for part in parts])

    def read(module: Any) -> Int8Linear:
        return round_linear(module.weight.detach(), module.bias.detach())

    return _Layer(
        projections=round_linear(weight, bias),
        attended=read(layer.attention.output.dense),
        attention_norm=_read_norm(layer.attention.output.LayerNorm),
        widened=read(layer.intermediate.dense),
        narrowed=read(layer.output.dense),
        output_norm=_read_norm(layer.output.LayerNorm),
    )


def _pieces(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows whose texts have one length, about `_PIECE` tokens together, the longest first."""
    rows_of = defaultdict(list)
    for row, length in enumerate(lengths):
        rows_of[length].append(row)
    for length in sorted(rows_of, reverse=True):
        rows, most = rows_of[length], max(1, _PIECE // length)
        for start in range(0, len(rows), most):
            yield rows[start : start + most]
