"""The most memory of a GPU that a method's process has used."""

import sys
from types import SimpleNamespace

import pytest

from benchkit.processes.worker import measure_gpu_peak


@pytest.mark.parametrize(
    ("device", "is_initialized", "peak"),
    [("cuda:1", True, 3.0), ("cuda", False, 0.0), ("cpu", True, 0.0)],
)
def test_what_pytorch_reserved_counts_where_it_computed_on_a_gpu(
    monkeypatch, device, is_initialized, peak
):
    cuda = SimpleNamespace(
        is_initialized=lambda: is_initialized, max_memory_reserved=lambda device: 3 * 2**20
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert measure_gpu_peak(device) == peak


def test_pytorch_is_not_loaded_for_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert measure_gpu_peak("cuda") == 0
    assert "torch" not in sys.modules
