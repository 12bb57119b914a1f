"""Cards of methods and judges: catalogs, entry points, files, and errors."""

import os
import subprocess
import sys

import pytest

from benchkit import cards
from benchkit.errors import ConfigError
from benchkit.runs.installation import check_installation

CODE = """
import json
from benchkit import cards
card = cards.find_card("theirs")
print(cards.load_class(card).__name__)
"""


def test_packages_register_by_entry_point(tmp_path):
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[benchkit.recommenders]\ntheirs = theirs_package:Their\n"
    )
    (tmp_path / "theirs_package.py").write_text(
        "class Their:\n    capabilities = frozenset()\n"
        "    def fit(self, data, run): pass\n    def predict(self, requests, run): yield from ()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )  # fmt: skip
    assert done.stdout.strip() == "Their"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_package.module:X", "No module named 'no_such_package'"),
        ("json:Nothing", "json has no Nothing"),
        ("json:loads", "is not a method: it has no capabilities, fit, predict"),
    ],
)
def test_what_is_no_recommender_is_refused(target, message):
    with pytest.raises(ConfigError, match=message):
        cards.load_class(cards.find_card(target))


def test_a_wrong_catalog_names_its_entry(tmp_path):
    path = tmp_path / "catalog.toml"
    path.write_text('[methods.mine]\nclass = "a:B"\nfidelty = "adapted"\n')
    with pytest.raises(ConfigError, match=r"method 'mine': fidelty"):
        cards.read_catalog(path)
    path.write_text("[methods")
    with pytest.raises(ConfigError, match="cannot be read"):
        cards.read_catalog(path)


def test_hyper_parameters_come_from_class_card_and_suite_in_this_order():
    card = cards.find_card("recbole/FPMC")
    config = cards.build_config(card, {"epochs": 3})
    assert (config.model, config.epochs, config.max_length) == ("FPMC", 3, 1)


def test_the_doctor_names_what_mends(monkeypatch):
    installed = {finding.subject: finding for finding in check_installation()}
    assert installed["numpy"].ok
    assert installed["method catalogs"].detail.endswith("methods")
    monkeypatch.setattr("benchkit.fingerprint.metadata.version", _absent)
    missing = {finding.subject: finding for finding in check_installation()}
    assert not missing["recbole"].ok
    assert "pip install --no-deps recbole==1.2.1" in missing["recbole"].hint
    assert "needed by" in missing["torch"].reason
    assert missing["numpy"].required
    assert not missing["Ray"].ok and "benchkit[ray]" in missing["Ray"].hint
    assert "submitit not installed" in missing["Slurm"].detail


def _absent(name):
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)
