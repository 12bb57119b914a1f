"""The openai engine by the Batch endpoint: the same answers as live, none lost, none paid twice."""

import json
from dataclasses import dataclass

import pytest

from benchkit.errors import ConfigError, EngineError, StoreError
from benchkit.fingerprint import canonical_settings
from benchkit.lm.cached_generator import semantic_settings
from benchkit.lm.config import LMConfig
from benchkit.lm.generation_cache import ask_again_since
from benchkit.lm.types import Decoding
from tests.support.batch_server import BatchServer
from tests.support.openai_engine import GREEDY, KEY, SAMPLED, make, prompts, texts
from tests.support.openai_server import Cut, Status
from tests.support.server_backends import EchoBackend

pytestmark = pytest.mark.usefixtures("environment")

FOLDER = "cache/batches"


@pytest.fixture
def server():
    with BatchServer(EchoBackend()) as running:
        yield running


def batch(server, tmp_path, **changes):
    return make(server, tmp_path, batch_api=True, **changes)


def records(tmp_path):
    return sorted((tmp_path / FOLDER).glob("*.json"))


def error(status, message="made up", **fields):
    return Status(status, body={"error": {"message": message, **fields}})


# The same as live


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED, Decoding(n=2, max_tokens=5)])
@pytest.mark.parametrize("first", [True, False])
def test_a_batch_and_live_calls_are_interchangeable(server, tmp_path, decoding, first):
    earlier = list(make(server, tmp_path, batch_api=first).generate(prompts(5), decoding))
    assert len(server.batches) == first and len(server.seen) == 5 * (not first)
    later = list(make(server, tmp_path, batch_api=not first).generate(prompts(5), decoding))
    assert texts(later) == texts(earlier)
    assert len(server.batches) + bool(server.seen) == 1  # what answered first answered alone
    assert all(
        a.usage["cached"] and not b.usage["cached"] for a, b in zip(later, earlier, strict=True)
    )
    live = list(make(server, tmp_path / "other").generate(prompts(5), decoding))
    assert [(a.completions, a.usage) for a in live] == [(a.completions, a.usage) for a in earlier]


def test_a_line_has_what_a_live_call_sends(server, tmp_path):
    list(batch(server, tmp_path).generate(prompts(1), SAMPLED))
    list(make(server, tmp_path / "live").generate(prompts(1), SAMPLED))
    (line,) = server.requests(server.batches["batch_0"])
    assert line["body"] == server.seen[0].body
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    assert server.batches["batch_0"]["endpoint"] == "/v1/chat/completions"
    assert server.batches["batch_0"]["completion_window"] == "24h"


def test_the_same_prompt_twice_is_one_request_and_counted_once(server, tmp_path):
    first, second = batch(server, tmp_path).generate(prompts(1) * 2, GREEDY)
    assert first.completions == second.completions and sum(server.paid.values()) == 1
    assert (first.usage["cached"], second.usage["cached"]) == (0, 1)


def test_files_have_the_lines_and_bytes_that_the_server_takes(server, tmp_path):
    list(batch(server, tmp_path, batch_lines=4).generate(prompts(10), GREEDY))
    assert [len(server.requests(b)) for b in server.batches.values()] == [4, 4, 2]
    long = [p.__class__(p.key, (p.messages[0]._replace(content="x " * 300_000),)) for p in
            prompts(1)] + prompts(4)  # fmt: skip
    engine = batch(server, tmp_path / "b", batch_megabytes=1)
    long[1] = long[0].__class__("q", (long[0].messages[0]._replace(content="y " * 300_000),))
    list(engine.generate(long, GREEDY))
    sizes = [len(server.files[b["input_file_id"]]) for b in list(server.batches.values())[3:]]
    assert len(sizes) == 2 and max(sizes) < 1_000_000


def test_samples_that_a_server_refuses_at_once_are_asked_for_one_by_one(server, tmp_path):
    refusal = error(400, "n > 1 is not supported", param="n")
    server.line_fault = lambda key, sent, body: refusal if body["n"] > 1 else None
    live = texts(make(server, tmp_path / "live").generate(prompts(2), SAMPLED))
    [one, two] = batch(server, tmp_path).generate(prompts(2), SAMPLED)
    assert len({c.text for c in one.completions}) == 3
    assert set(texts([one, two])[0]) & set(live[0])
    assert set(server.paid.values()) == {1}


def test_how_it_is_asked_is_no_part_of_an_answers_identity():
    settings = {"kind": "openai", "model": "m"}
    by_batches = {
        "batch_api": True, "batch_poll_s": 5, "batch_lines": 9, "batch_megabytes": 9,
        "batch_price": 0.4,
    }  # fmt: skip
    assert semantic_settings(settings | by_batches) == settings
    configs = [LMConfig(backbone="m", engine=e) for e in (settings, settings | by_batches)]
    assert canonical_settings(configs[0]) == canonical_settings(configs[1])


# What goes wrong in it


def test_failed_lines_are_sent_again(server, tmp_path):
    faults = iter([error(500), error(429), "drop", error(503)])
    server.line_fault = lambda key, sent, body: None if sent else next(faults, None)
    answers = list(batch(server, tmp_path).generate(prompts(10), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(10)]
    assert [len(server.requests(b)) for b in server.batches.values()] == [10, 4]
    assert set(server.paid.values()) == {1} and not records(tmp_path)


def test_what_is_answered_unusably_is_asked_again_and_then_a_fault(server, tmp_path):
    server.line_fault = lambda key, sent, body: (
        "junk" if "w1" in str(body) or ("w2" in str(body) and not sent) else None
    )
    answers = list(batch(server, tmp_path, retries=2).generate(prompts(3), GREEDY))
    assert [a.completions[0].finish for a in answers] == ["stop", "error", "stop"]
    assert "no choices" in answers[1].completions[0].fault
    assert sorted(server.paid.values()) == [1, 2, 3]


def test_lines_that_keep_failing_end_the_run_and_the_others_are_kept(server, tmp_path):
    server.line_fault = lambda key, sent, body: error(500) if "w1" in str(body) else None
    with pytest.raises(EngineError, match=r"does not answer a request of a batch.*HTTP 500"):
        list(batch(server, tmp_path, retries=1).generate(prompts(3), GREEDY))
    server.line_fault = lambda key, sent, body: None
    assert len(list(batch(server, tmp_path).generate(prompts(3), GREEDY))) == 3
    assert set(server.paid.values()) == {1} and len(server.paid) == 3


def test_a_rejected_request_is_a_fault_of_its_case_alone(server, tmp_path):
    too_long = error(400, "maximum context length is 8 tokens")
    filtered = error(400, "filtered", code="content_filter")
    server.line_fault = lambda key, sent, body: {"say w0": too_long, "say w1": filtered}.get(
        body["messages"][0]["content"]
    )
    answers = list(batch(server, tmp_path).generate(prompts(3), GREEDY))
    assert [a.completions[0].finish for a in answers] == ["error", "refused", "stop"]
    assert "does not take the request (HTTP 400" in answers[0].completions[0].fault
    assert len(server.batches) == 1  # asking again would not help


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (error(400, "Unsupported parameter", param="top_p"), ConfigError, "does not take 'top_p'"),
        (error(401), EngineError, "does not accept the key"),
        (error(429, "pay", code="insufficient_quota"), EngineError, "the account is used up"),
    ],
)
def test_what_no_request_survives_ends_the_run_after_the_rest_is_stored(
    server, tmp_path, fault, kind, words
):
    server.line_fault = lambda key, sent, body: fault if "w1" in str(body) else None
    with pytest.raises(kind, match=words):
        list(batch(server, tmp_path).generate(prompts(3), GREEDY))
    assert len(server.paid) == 2
    stored = list(make(server, tmp_path).lookup(prompts(3), GREEDY))
    assert [a is not None for a in stored] == [True, False, True]


def test_of_an_expired_batch_the_finished_lines_are_used(server, tmp_path):
    server.endings.extend(["expired", "expired"])
    answers = list(batch(server, tmp_path).generate(prompts(9), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(9)]
    assert [len(server.requests(b)) for b in server.batches.values()] == [9, 4, 2]
    assert set(server.paid.values()) == {1}


def test_expiry_is_no_failure_of_a_request(server, tmp_path):
    server.endings.extend(["expired"] * 3)
    engine = batch(server, tmp_path, max_retries=0)
    assert len(list(engine.generate(prompts(9), GREEDY))) == 9
    assert set(server.paid.values()) == {1} and len(server.batches) == 4


def test_a_cancelled_batch_is_not_sent_again_by_itself(server, tmp_path):
    server.endings.append("cancelled")
    with pytest.raises(EngineError, match=r"was cancelled .* after 3 of 6"):
        list(batch(server, tmp_path).generate(prompts(6), GREEDY))
    assert len(server.batches) == 1
    assert len(list(batch(server, tmp_path).generate(prompts(6), GREEDY))) == 6
    assert set(server.paid.values()) == {1}


def test_a_batch_that_fails_says_why(server, tmp_path):
    server.endings.append("failed")
    with pytest.raises(ConfigError, match=r"no such model \(model_not_found\)"):
        list(batch(server, tmp_path).generate(prompts(2), GREEDY))
    assert not records(tmp_path)


def test_a_limit_of_what_may_wait_makes_batches_smaller(server, tmp_path):
    server.most_lines = 3
    answers = list(batch(server, tmp_path).generate(prompts(10), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(10)]
    assert set(server.paid.values()) == {1}
    server.most_lines = 0
    with pytest.raises(EngineError, match="Enqueued limit reached") as raised:
        list(batch(server, tmp_path).generate(prompts(11), GREEDY))
    assert "wait" in raised.value.hint


def test_a_server_without_batches(server, tmp_path):
    server.has_batches = False
    with pytest.raises(ConfigError, match="has no Batch endpoint") as raised:
        list(batch(server, tmp_path).generate(prompts(1), GREEDY))
    assert "batch_api = false" in raised.value.hint


def test_a_batch_does_not_score(server, tmp_path):
    engine = batch(server, tmp_path, tokenizer="x")
    assert not engine.can_score
    with pytest.raises(ConfigError, match="cannot score") as raised:
        engine.score(prompts(1), [["a"]])
    assert "batch" in raised.value.hint


# Money


def test_a_batch_costs_half(server, tmp_path):
    prices = {"price_prompt": 10.0, "price_completion": 20.0}
    costs = []
    for number, is_batch in enumerate((False, True)):
        engine = make(server, tmp_path / str(number), batch_api=is_batch, **prices)
        list(engine.generate(prompts(4), GREEDY))
        costs.append(engine.budget.price(engine.budget.spent))
    assert costs[1] == costs[0] / 2 > 0


def test_a_budget_makes_batches_smaller_and_stops_before_it_is_passed(server, tmp_path):
    # A request may take 6 + 16 + 6 tokens, and takes 7.
    engine = batch(server, tmp_path, max_tokens_total=70)
    assert len(list(engine.generate(prompts(5), GREEDY))) == 5
    assert [len(server.requests(b)) for b in server.batches.values()] == [2, 2, 1]
    assert engine.budget.spent.prompt + engine.budget.spent.completion == 35
    with pytest.raises(EngineError, match="the budget of 70 tokens is spent"):
        list(engine.generate(prompts(30), GREEDY))
    assert set(server.paid.values()) == {1}


# Restarts


@dataclass
class Interrupt:
    """Waits that are broken off at the n-th."""

    after: int

    def append(self, seconds):
        self.after -= 1
        if self.after < 0:
            raise KeyboardInterrupt


def test_an_interrupted_call_says_what_is_kept_and_goes_on(server, tmp_path):
    server.looks = 3
    with pytest.raises(KeyboardInterrupt) as raised:
        list(batch(server, tmp_path, waits=Interrupt(1)).generate(prompts(5), GREEDY))
    words = str(raised.value)
    assert "1 batch with 5 requests" in words and "run the same command again" in words
    assert str(tmp_path / FOLDER) in words and len(records(tmp_path)) == 1
    answers = list(batch(server, tmp_path).generate(prompts(6), GREEDY))
    assert len(answers) == 6 and [a.usage["cached"] for a in answers] == [0] * 6
    assert [len(server.requests(b)) for b in server.batches.values()] == [5, 1]
    assert not records(tmp_path)


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("page", [1, 100])
def test_a_batch_whose_creation_was_not_answered_is_found_again(server, tmp_path, metadata, page):
    server.keeps_metadata, server.page = metadata, page
    list(batch(server, tmp_path / "other").generate(prompts(2), SAMPLED))
    server.create_faults.append(Cut(0))
    list(batch(server, tmp_path).generate(prompts(5), GREEDY))
    assert len(server.batches) == 2 and set(server.paid.values()) == {1}


def test_a_batch_whose_creation_was_not_answered_is_found_by_the_next_call(server, tmp_path):
    server.create_faults.append(Cut(0))
    with pytest.raises(EngineError, match="could not be asked for a batch"):
        list(batch(server, tmp_path, retries=0).generate(prompts(5), GREEDY))
    (path,) = records(tmp_path)
    assert json.loads(path.read_text())["batch"] is None
    list(batch(server, tmp_path).generate(prompts(5), GREEDY))
    assert len(server.batches) == 1 and not records(tmp_path)


def test_a_batch_that_was_never_created_is_created_once(server, tmp_path):
    server.create_faults.append(error(503))
    with pytest.raises(EngineError):
        list(batch(server, tmp_path, retries=0).generate(prompts(5), GREEDY))
    list(batch(server, tmp_path).generate(prompts(5), GREEDY))
    assert len(server.batches) == len([f for f in server.files if server.files[f]]) - 1 == 1


def test_where_batches_cannot_be_listed_nothing_is_paid_twice(server, tmp_path):
    server.can_list = False
    server.create_faults.append(Cut(0))
    for _ in range(2):
        with pytest.raises(EngineError, match=r"not known whether.*of 5 requests") as raised:
            list(batch(server, tmp_path).generate(prompts(5), GREEDY))
    assert records(tmp_path)[0].name in raised.value.hint
    assert len(server.batches) == 1
    records(tmp_path)[0].unlink()
    assert len(list(batch(server, tmp_path).generate(prompts(5), GREEDY))) == 5


def test_a_part_of_a_batch_is_read_and_the_rest_is_left_to_others(server, tmp_path):
    batch(server, tmp_path).submit(prompts(5), GREEDY)
    assert len(list(batch(server, tmp_path).generate(prompts(2), GREEDY))) == 2
    (path,) = records(tmp_path)
    assert len(json.loads(path.read_text())["keys"]) == 3
    list(batch(server, tmp_path).generate(prompts(5), GREEDY))
    assert len(server.batches) == 1 and not records(tmp_path)


def test_submitted_batches_of_one_engine_share_its_budget(server, tmp_path):
    engine = batch(server, tmp_path, max_tokens_total=60)
    engine.submit(prompts(2), GREEDY)  # reserves 56 of 60
    engine.submit(prompts(4)[2:], GREEDY)  # waits for these
    assert len(server.batches) == 1
    assert len(list(engine.generate(prompts(4)[2:], GREEDY))) == 2
    answers = list(engine.generate(prompts(2), GREEDY))
    assert [a.usage["cached"] for a in answers] == [0, 0]
    assert set(server.paid.values()) == {1} and not records(tmp_path)


def test_a_budget_is_free_again_when_another_call_has_read_the_batch(server, tmp_path):
    engine = batch(server, tmp_path, max_tokens_total=60)
    engine.submit(prompts(2), GREEDY)
    assert len(list(batch(server, tmp_path).generate(prompts(2), GREEDY))) == 2
    assert len(list(engine.generate(prompts(4)[2:], GREEDY))) == 2
    assert set(server.paid.values()) == {1}


def test_what_is_asked_again_does_not_take_an_older_batch(server, tmp_path):
    batch(server, tmp_path).submit(prompts(2), GREEDY)
    with ask_again_since(2e9 * 2):
        engine = batch(server, tmp_path)
        list(engine.generate(prompts(2), GREEDY))
    assert len(server.batches) == 2


def test_a_damaged_record_is_named(server, tmp_path):
    batch(server, tmp_path).submit(prompts(2), GREEDY)
    records(tmp_path)[0].write_text("{")
    with pytest.raises(StoreError, match="the record of a batch cannot be read") as raised:
        list(batch(server, tmp_path).generate(prompts(2), GREEDY))
    assert "paid for, again" in raised.value.hint


def test_a_batch_that_the_server_forgot(server, tmp_path):
    batch(server, tmp_path).submit(prompts(2), GREEDY)
    server.batches.clear()
    with pytest.raises(EngineError, match="no longer knows the batch batch_0") as raised:
        list(batch(server, tmp_path).generate(prompts(2), GREEDY))
    assert "delete its record" in raised.value.hint


def test_batches_report_how_they_stand(server, tmp_path):
    notes = []
    engine = batch(server, tmp_path)
    engine.report_to(notes.append)
    list(engine.generate(prompts(3), GREEDY))
    assert notes == [
        "batch batch_0: 3 requests sent",
        "batch batch_0: in_progress, 0 of 3",
        "batch batch_0: completed, 3 of 3",
    ]


def test_the_key_is_in_no_file(server, tmp_path):
    batch(server, tmp_path).submit(prompts(2), GREEDY)
    list(batch(server, tmp_path).generate(prompts(1), GREEDY))
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert files and not [f for f in files if KEY.encode() in f.read_bytes()]
