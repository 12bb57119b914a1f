"""Metrics and protocols are found by name, in files, and refused for what they are not."""

import pytest

from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import (
    METRICS,
    PROTOCOLS,
    find_metric,
    find_protocol,
    protocol_by_name,
    table_by_name,
)


@pytest.mark.parametrize(
    "name", ["hr", "hr@0", "presicion@5", "ndcg@-1", "MRR", "mrr@5", "ndcg@5@5", "", "@5"]
)
def test_unknown_metric(name):
    with pytest.raises(ConfigError, match="unknown metric"):
        find_metric(name)


def test_each_metric_and_protocol_has_the_name_it_is_found_by():
    assert {METRICS.load(name).kind for name in METRICS} == set(METRICS)
    assert [find_protocol(name).name for name in PROTOCOLS] == list(PROTOCOLS)
    assert find_metric("serendipity@10").name == "serendipity@10"


def test_a_metric_and_a_protocol_in_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from benchkit.evaluation.metrics.base import Metric\n"
        "from benchkit.evaluation.protocols.base import EvaluationProtocol\n"
        "class Zero(Metric):\n"
        "    kind, takes_cutoff = 'zero', True\n"
        "    def measure(self, context): return 0.0\n"
        "class Mine(EvaluationProtocol):\n"
        "    name = 'mine'\n"
    )
    assert find_metric(f"{file}:Zero@7").name == "zero@7"
    with pytest.raises(ConfigError, match="zero@K"):
        find_metric(f"{file}:Zero")
    assert find_protocol(f"{file}:Mine").name == "mine"
    with pytest.raises(ConfigError, match="no such file"):
        find_metric("nowhere.py:Zero")
    with pytest.raises(ConfigError, match="is not a protocol"):
        find_protocol(f"{file}:Zero")


def test_what_records_call_a_table():
    assert table_by_name("scored-mean").derived_from == "scored"
    assert protocol_by_name("scored-mean").name == "scored"
    assert table_by_name("mine").caption == protocol_by_name("mine").name == "mine"
