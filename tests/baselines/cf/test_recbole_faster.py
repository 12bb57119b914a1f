"""Faster forms of RecBole's operations give RecBole's numbers."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("recbole")

from baselines.cf import recbole_shim  # noqa: E402
from baselines.cf.recbole_faster import LastItemsOfFOSSIL, faster_class  # noqa: E402


@pytest.fixture
def fossil():
    """RecBole's FOSSIL and ours, of order 3 on histories of 5, without weights."""
    with recbole_shim.recbole_context("cpu"):
        base = recbole_shim.model_class("FOSSIL")
        models = []
        for kind in (base, faster_class(base)):
            model = kind.__new__(kind)
            torch.nn.Module.__init__(model)
            model.order_len, model.max_seq_length, model.device = 3, 5, "cpu"
            models.append(model)
        yield models


def test_vectors_of_the_last_items_are_those_of_recbole(fossil):
    lengths = torch.tensor([1, 2, 3, 4, 5])
    results, gradients = [], []
    weights = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(1))
    for model in fossil:
        draw = torch.Generator().manual_seed(0)
        vectors = torch.randn(5, 5, 4, generator=draw).requires_grad_()
        result = model.inverse_seq_item_embedding(vectors, lengths)
        (result * weights).sum().backward()
        results.append(result.detach())
        gradients.append(vectors.grad)
    assert torch.equal(*results)
    assert torch.equal(*gradients)
    assert not results[0][0, :2].any()  # one item: nothing before it


def test_the_name_of_a_class_stays(fossil):
    base, faster = (type(model) for model in fossil)
    assert base.__name__ == faster.__name__ == "FOSSIL"
    assert issubclass(faster, base)
    assert issubclass(faster, LastItemsOfFOSSIL)


def test_other_models_stay_as_they_are():
    with recbole_shim.recbole_context("cpu"):
        base = recbole_shim.model_class("FPMC")
        assert faster_class(base) is base
