"""What RecBole does to the process is undone."""

import logging
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from baselines.cf import recbole_models, recbole_shim

needs_recbole = pytest.mark.skipif(
    recbole_models.recbole_dir() is None, reason="RecBole is not installed"
)


def test_the_module_is_cheap_to_import() -> None:
    code = """
import sys, baselines.cf.recbole
print([m for m in ("torch", "recbole", "pandas", "yaml") if m in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


FRESH = """
import logging, os, sys, types, warnings
from pathlib import Path
import numpy, pandas, torch, yaml
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import read_source
from benchkit.data.spec import DatasetSpec
from benchkit.types import RunContext
from baselines.cf.recbole import RecBole

def state():
    root = logging.getLogger()
    return {
        "numpy": [name for name in ("float", "int", "str", "float_") if name in vars(numpy)],
        "argv": list(sys.argv),
        "environment": dict(os.environ),
        "logging": (root.level, list(root.handlers), list(root.filters)),
        "warnings": list(warnings.filters),
        "anomaly": torch.is_anomaly_enabled(),
        "cudnn": (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
        "torch": torch.get_rng_state().tolist(),
        "streams": (sys.stdout, sys.stderr),
        "yaml": repr(yaml.FullLoader.yaml_implicit_resolvers),
        "files": list(Path().iterdir()),
    }

toy = prepare_dataset(read_source("toy", {"users": 40}), DatasetSpec(name="toy", source="toy"))
stages = []
progress = types.SimpleNamespace(
    start=lambda what, total: stages.append(total), advance=lambda note: stages.append(1)
)
scratch = Path(sys.argv[1])
run = RunContext(0, toy.catalog, scratch, progress, cache=scratch)
before = state()
recommender = RecBole(RecBole.Config(model="FPMC", epochs=1))
recommender.fit(toy.train_view(), run)
list(recommender.predict(list(toy.requests(toy.test)), run))
after = state()
assert "recbole.model.sequential_recommender.sine" in sys.modules
assert "ray" not in sys.modules
assert stages == [1, 1], stages
changed = [name for name in before if before[name] != after[name]]
assert not changed, [(before[name], after[name]) for name in changed]
"""


@needs_recbole
def test_a_fresh_process_is_left_as_it_was(tmp_path: Path) -> None:
    scratch, work = tmp_path / "scratch", tmp_path / "work"
    scratch.mkdir()
    work.mkdir()
    # RecBole would take the last argument for a setting.
    command = [sys.executable, "-c", FRESH, str(scratch), "--epochs=3"]
    # An earlier test of this process may have left what a package sets only where it is missing.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("KMP_", "TORCHINDUCTOR_"))}
    done = subprocess.run(command, cwd=work, env=clean, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_recbole
def test_an_error_inside_leaves_the_process_as_it_was() -> None:
    before = random.getstate(), logging.getLogger().filters[:], warnings.filters[:]
    with pytest.raises(ZeroDivisionError), recbole_shim.recbole_context("cpu"):
        assert vars(np)["float"] is np.float64
        random.seed(5)
        raise ZeroDivisionError
    assert "float" not in vars(np)
    assert (random.getstate(), logging.getLogger().filters[:], warnings.filters[:]) == before


@needs_recbole
def test_only_recbole_is_silenced(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), recbole_shim.recbole_context("cpu"):
        logging.getLogger().info("from a test")
        logging.getLogger("some.package").info("from a package")
        loud = logging.LogRecord(
            "root", 20, f"{recbole_models.recbole_dir()}/x.py", 1, "no", None, None
        )
        logging.getLogger().handle(loud)
    assert caplog.messages == ["from a test", "from a package"]
