"""BERT in bytes: rounding by hand, and a small model beside the same model in float32."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from benchkit.lm.teachers import int8_bert  # noqa: E402
from benchkit.lm.teachers.encoder import fastest_precision  # noqa: E402
from benchkit.lm.teachers.int8_bert import Int8Bert, round_linear  # noqa: E402


def build_bert(**options):
    """Return a BERT with random weights, some of them large, as those of trained models are."""
    torch.manual_seed(0)
    defaults = {
        "vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 64, "initializer_range": 0.3,
    }  # fmt: skip
    model = transformers.BertModel(transformers.BertConfig(**{**defaults, **options}))
    with torch.no_grad():
        for name, values in model.named_parameters():
            if name.endswith("bias"):
                values.normal_(0, 0.3)
            if "LayerNorm.weight" in name:
                values[3] = 6.0  # a channel far above the others
    return model.eval()


def exact_directions(model, texts):
    """Return mean directions by transformers, one text at a time."""
    rows = []
    with torch.inference_mode():
        for text in texts:
            states = model(input_ids=torch.tensor([text])).last_hidden_state[0]
            rows.append(torch.nn.functional.normalize(states.mean(dim=0), dim=0).numpy())
    return np.stack(rows)


@pytest.fixture(scope="module")
def bert():
    return build_bert()


TEXTS = [[1, 2, 3], [4], [5, 6, 7], list(range(40)), [9, 8], [3, 2, 1], [39] * 17]


def test_weights_are_rounded_to_127_steps_of_each_output():
    weight = torch.tensor([[1.0, -2.0], [0.0, 0.0], [0.5, 0.25]])
    layer = round_linear(weight, torch.tensor([1.0, 2.0, 3.0]))
    assert layer.weight.t().tolist() == [[64, -127], [0, 0], [127, 64]]  # 63.5 to the even number
    assert layer.scale[[0, 2]].tolist() == pytest.approx([2 / 127, 0.5 / 127])
    assert layer.bias.tolist() == [1.0, 2.0, 3.0]
    assert (layer.scale > 0).all()  # of the zeros, too: one divides by it
    small = round_linear(torch.tensor([[1e-4, -5e-5]]), torch.zeros(1))
    assert small.weight.flatten().tolist() == [127, -64]


def test_a_layer_multiplies_by_the_rounded_weights():
    # 1 and -2 are -63.5 and 127 steps of 2/127, rounded to -64 and 127; the row of zeros stays 0.
    layer = round_linear(torch.tensor([[2.0, -1.0]]), torch.tensor([10.0]))
    states = torch.tensor([[-1.0, 2.0], [0.0, 0.0]])
    outputs = int8_bert._Buffers(rows=2, width=4).multiply(states, layer)
    by_hand = 10 + (127 * -64 + -64 * 127) * (2 / 127) * (2 / 127)
    assert outputs.flatten().tolist() == pytest.approx([by_hand, 10.0])


def test_directions_are_close_to_those_in_float32(bert):
    vectors = Int8Bert(bert).encode(TEXTS, threads=1)
    exact = exact_directions(bert, TEXTS)
    assert vectors.shape == exact.shape and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert (vectors * exact).sum(axis=1).min() > 0.99
    # ... and closer than texts are to each other, so that the bound says something
    others = exact @ exact.T - 2 * np.eye(len(TEXTS))
    assert others.max() < 0.99


@pytest.mark.parametrize("threads", [1, 2, 5])
@settings(deadline=None, max_examples=20)
@given(order=st.permutations(range(len(TEXTS))), kept=st.integers(1, len(TEXTS)))
def test_a_text_has_one_direction_in_any_company(threads, order, kept):
    encoder = Int8Bert(build_bert())
    alone = np.concatenate([encoder.encode([text], threads=1) for text in TEXTS])
    rows = order[:kept]
    vectors = encoder.encode([TEXTS[row] for row in rows], threads)
    np.testing.assert_allclose(vectors, alone[rows], atol=2e-6)


def test_inner_layers_may_be_wider_than_all_projections():
    wide = build_bert(intermediate_size=128)
    vectors = Int8Bert(wide).encode(TEXTS, threads=1)
    assert (vectors * exact_directions(wide, TEXTS)).sum(axis=1).min() > 0.99


def test_texts_of_one_length_are_cut_into_pieces(bert, monkeypatch):
    whole = Int8Bert(bert).encode(TEXTS * 3, threads=1)
    monkeypatch.setattr(int8_bert, "_PIECE", 6)  # two texts of three tokens; less than the longest
    assert list(int8_bert._pieces([3, 3, 9, 3])) == [[2], [0, 1], [3]]
    np.testing.assert_allclose(Int8Bert(bert).encode(TEXTS * 3, threads=2), whole, atol=2e-6)


def test_no_text_gives_no_row(bert):
    assert Int8Bert(bert).encode([], threads=2).shape == (0, 32)


def test_the_model_keeps_its_weights(bert):
    before = {name: values.clone() for name, values in bert.state_dict().items()}
    Int8Bert(bert).encode(TEXTS, threads=2)
    assert all(torch.equal(values, before[name]) for name, values in bert.state_dict().items())


def test_what_a_thread_raises_is_raised(bert):
    with pytest.raises(IndexError):
        Int8Bert(bert).encode([[1, 2], [40]], threads=2)  # no such token


def test_nothing_more_is_begun_after_an_error(bert, monkeypatch):
    monkeypatch.setattr(int8_bert, "_PIECE", 1)  # each text alone, the longest first
    begun = []
    compute = Int8Bert._directions

    def count(self, texts, buffers):
        begun.append(len(texts[0]))
        return compute(self, texts, buffers)

    monkeypatch.setattr(Int8Bert, "_directions", count)
    with pytest.raises(IndexError):
        Int8Bert(bert).encode([[40, 40], *[[1]] * 50], threads=1)
    assert begun == [2]


def test_nothing_more_is_begun_after_an_interrupt(bert, monkeypatch):
    monkeypatch.setattr(int8_bert, "_PIECE", 1)
    begun = []
    interrupted = Event()

    def compute(self, texts, buffers):
        begun.append(texts)
        interrupted.wait(10)
        return np.zeros((1, 32))

    class InterruptedPool(ThreadPoolExecutor):
        def map(self, work, threads):
            for thread in threads:
                self.submit(work, thread)
            raise KeyboardInterrupt

        def __exit__(self, *reason):
            interrupted.set()
            return super().__exit__(*reason)

    monkeypatch.setattr(Int8Bert, "_directions", compute)
    monkeypatch.setattr(int8_bert, "ThreadPoolExecutor", InterruptedPool)
    with pytest.raises(KeyboardInterrupt):
        Int8Bert(bert).encode([[1]] * 50, threads=2)
    assert len(begun) <= 2


def test_all_but_the_rounding_is_exact(bert, monkeypatch):
    def multiply(self, states, layer):
        return states @ (layer.weight.float() * layer.scale) + layer.bias

    monkeypatch.setattr(int8_bert._Buffers, "multiply", multiply)
    rounded = build_bert()
    with torch.no_grad():
        for layer in rounded.encoder.layer:
            for module in layer.modules():
                if isinstance(module, torch.nn.Linear):
                    part = round_linear(module.weight, module.bias)
                    module.weight.copy_((part.weight.float() * part.scale).t())
    vectors = Int8Bert(bert).encode(TEXTS, threads=1)
    np.testing.assert_allclose(vectors, exact_directions(rounded, TEXTS), atol=1e-5)


def test_another_default_format_changes_nothing(bert):
    vectors = Int8Bert(bert).encode(TEXTS, threads=2)
    torch.set_default_dtype(torch.float64)
    try:
        np.testing.assert_array_equal(Int8Bert(bert).encode(TEXTS, threads=2), vectors)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("options", [{"hidden_act": "relu"}, {"is_decoder": True}])
def test_another_model_is_refused(options):
    with pytest.raises(ValueError, match="a BERT with GELU in float32"):
        Int8Bert(build_bert(**options))


def test_a_model_in_another_format_is_refused():
    with pytest.raises(ValueError, match="bfloat16"):
        Int8Bert(build_bert().bfloat16())


@pytest.mark.parametrize(
    ("checks", "product", "precision"),
    [
        ({"_is_vnni_supported": True, "_is_amx_tile_supported": False}, torch.mm, "int8"),
        ({"_is_amx_tile_supported": True}, torch.mm, "int8"),
        ({"_is_vnni_supported": False, "_is_amx_tile_supported": False}, torch.mm, "float32"),
        ({}, torch.mm, "float32"),  # a PyTorch that does not know them
        ({"_is_vnni_supported": True}, lambda a, b: (a @ b).short(), "float32"),  # 16 bits
        ({"_is_vnni_supported": True}, lambda a, b: (a @ b).clamp(min=-32768), "float32"),
        ({"_is_vnni_supported": True}, None, "float32"),
    ],
)
def test_bytes_are_for_processors_that_multiply_them(checks, product, precision, monkeypatch):
    def multiply(a, b):
        return product(a.int(), b.int())

    names = {name: lambda answer=answer: answer for name, answer in checks.items()}
    monkeypatch.setattr(torch, "cpu", SimpleNamespace(**names))
    if product is None:
        monkeypatch.delattr(torch, "_int_mm")
    else:
        monkeypatch.setattr(torch, "_int_mm", multiply)
    assert fastest_precision() == precision
