"""The process is left as it was."""

import logging
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from benchkit import process_state

torch = pytest.importorskip("torch")


def state():
    root = logging.getLogger()
    return {
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "random": random.getstate(),
        "numpy": repr(np.random.get_state()),  # noqa: NPY002
        "torch": torch.get_rng_state().tolist(),
        "warnings": list(warnings.filters),
        "show": warnings.showwarning,
        "root": (root.level, root.handlers[:], root.filters[:]),
        "library": (
            logging.getLogger("some.library").level,
            logging.getLogger("some.library").handlers[:],
        ),
        "disabled": logging.root.manager.disable,
        "settings": (
            torch.get_default_dtype(),
            torch.is_anomaly_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            torch.get_float32_matmul_precision(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
        ),
    }


def vandalise(folder):
    os.environ["NEW_NAME"] = "x"
    os.environ["PATH"] = "elsewhere"
    os.chdir(folder)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    warnings.simplefilter("error")
    warnings.showwarning = print
    logging.getLogger().setLevel(5)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger().addFilter(lambda _: False)
    logging.getLogger("some.library").setLevel(5)
    logging.getLogger("some.library").addHandler(logging.NullHandler())
    logging.disable(logging.CRITICAL)
    torch.set_default_dtype(torch.float64)
    torch.autograd.set_detect_anomaly(True)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("medium")
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_grad_enabled(False)


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_everything_is_put_back(tmp_path, error):
    before = state()
    try:
        with process_state.isolate_process("cpu"):
            vandalise(tmp_path)
            changed = state()
            if error is not None:
                raise error
    except ZeroDivisionError:
        pass
    after = state()
    assert [name for name in before if before[name] != after[name]] == []
    assert [name for name in before if before[name] == changed[name]] == []


def test_it_can_be_nested(tmp_path):
    before = state()
    with process_state.isolate_process("cpu"):
        random.seed(3)
        inner = random.getstate()
        with process_state.isolate_process("cpu"):
            vandalise(tmp_path)
        assert random.getstate() == inner
    assert state() == before


def test_attributes_are_put_back():
    class Owner:
        old = 1

    with process_state.patch_attributes(Owner, {"old": 2, "new": 3}):
        assert (Owner.old, Owner.new) == (2, 3)
    assert Owner.old == 1
    assert not hasattr(Owner, "new")


def test_a_missing_package_is_an_error_that_leaves_no_trace():
    before = state()
    with (
        pytest.raises(ModuleNotFoundError),
        process_state.isolate_process("cpu", "no_such_package"),
    ):
        pass
    assert state() == before


def test_records_of_others_pass(caplog):
    with caplog.at_level(logging.INFO), process_state.isolate_process("cpu"):
        logging.getLogger("benchkit").info("ours")
        logging.getLogger("transformers").warning("theirs")
    assert caplog.messages == ["ours"]


def test_torch_is_imported_only_when_used():
    code = "import sys, benchkit.process_state; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_progress_bars_are_off_inside_and_as_they_were_after():
    messages = pytest.importorskip("transformers.utils.logging")
    hub = pytest.importorskip("huggingface_hub.utils")
    messages.enable_progress_bar()
    with process_state.isolate_process("cpu"):
        assert not messages.is_progress_bar_enabled()
        assert hub.are_progress_bars_disabled()
    assert messages.is_progress_bar_enabled()
    assert not hub.are_progress_bars_disabled()


def test_what_accelerate_knows_of_the_process_is_hidden():
    accelerate = pytest.importorskip("accelerate")
    with process_state.isolate_process("cpu"):
        accelerate.PartialState(cpu=True)
        known = dict(accelerate.PartialState._shared_state)
        with process_state.isolate_process("cpu"):
            assert not accelerate.PartialState._shared_state
        assert dict(accelerate.PartialState._shared_state) == known
    assert not accelerate.PartialState._shared_state
