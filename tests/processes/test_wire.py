"""What crosses the boundary of a method's process."""

import math
import os
import pickle
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.data.request_batch import RequestBatch
from benchkit.errors import MethodError
from benchkit.evaluation.predict import validate_predictions
from benchkit.processes.wire import (
    Channel,
    ChannelClosedError,
    dump_plain,
    load_plain,
    pack_prediction,
    unpack_prediction,
)
from benchkit.testing.fixtures import toy_dataset
from benchkit.types import Prediction, Request, Sample


def there_and_back(prediction):
    return unpack_prediction(load_plain(dump_plain(pack_prediction(prediction))))


@given(
    st.lists(st.floats(allow_nan=False), max_size=8),
    st.text(),
    st.none() | st.text(),
    st.dictionaries(st.text(), st.floats(allow_nan=False) | st.integers(-(2**62), 2**62)),
)
def test_a_prediction_arrives_as_it_was(scores, case_id, rationale, usage):
    sample = Sample("text", None, rationale, "unparsed")
    sent = Prediction(
        case_id, scores, (sample,), rationale, "ok", usage, [1] * len(scores), "no", True
    )
    received = there_and_back(sent)
    assert received.scores.tolist() == scores
    assert (received.case_id, received.rationale, received.status) == (case_id, rationale, "ok")
    assert received.samples == (sample,) and received.usage == usage and received.partial
    assert list(received.lengths) == sent.lengths and received.fault == "no"


class Runs:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return os.putenv, ("BENCHKIT_BOMB", "1")


@pytest.mark.parametrize("value", [Runs(), [Runs()], {"a": Runs()}, np.float64(1), 1j, Runs])
def test_objects_are_never_made(value):
    with pytest.raises(MethodError, match="no plain data"):
        load_plain(pickle.dumps(value))
    if not isinstance(value, float):
        with pytest.raises(TypeError):
            dump_plain(value)
    assert "BENCHKIT_BOMB" not in os.environ


DEEP = {
    "lists": b"\x91" * 3_000_000, "maps": b"\x81\xa1a" * 1_000_000,
    "a list as a key": b"\x81" + b"\x91" * 2_000_000, "longer than it is": b"\xdd\xff\xff\xff\xff",
    "a text that is none": b"\xa2\xff\xfe", "nothing": b"", "two": b"\x01\x02",
    "an extension": b"\xd4\x05a" * 2, "a pickle": b"cos\nsystem\n(S'x'\ntR.",
}  # fmt: skip


@pytest.mark.parametrize("data", DEEP.values(), ids=DEEP)
def test_bytes_that_are_no_message_are_refused(data):
    with pytest.raises(MethodError, match="no plain data"):
        load_plain(data)


def test_half_a_surrogate_pair_becomes_an_escape():
    assert load_plain(dump_plain("a\ud800b")) == "a\\ud800b"


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_arrives(text):
    received = load_plain(dump_plain(text))
    assert received == text.encode(errors="backslashreplace").decode()


ODD_SCORES = {
    "text": "ab", "texts": ["1", "2"], "bytes": b"12345678" * 2, "complex": [1j, 2],
    "two dimensions": [[1.0], [2.0]], "an array of two": np.ones((2, 1)), "objects": [Runs(), 1],
    "a number": 3.0, "huge integers": [10**400, 1], "none inside": [None, 1.0],
    "nan": [math.nan, 1.0], "infinite": [math.inf, 1.0], "too few": [1.0], "too many": [1.0] * 3,
}  # fmt: skip


@pytest.mark.parametrize("scores", ODD_SCORES.values(), ids=ODD_SCORES)
def test_odd_scores_are_refused_here_and_there(scores):
    request = Request("c", "u", (), ("a", "b"))
    for prediction in (Prediction("c", scores), there_and_back(Prediction("c", scores))):
        with pytest.raises(MethodError, match="case 'c'"):
            list(validate_predictions(iter([prediction]), [request]))


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "perfect"}, {"status": ["ok"]}, {"rationale": 3}, {"fault": None},
        {"usage": {"tokens": math.inf}}, {"usage": {"tokens": -1}},
        {"usage": {"tokens": 1e300}}, {"usage": {"tokens": "9"}},
        {"lengths": [1]}, {"lengths": [1, 0]}, {"lengths": "ab"},
    ],
    ids=str,
)  # fmt: skip
def test_odd_fields_are_refused(fields):
    request = Request("c", "u", (), ("a", "b"))
    for prediction in (
        Prediction("c", [1.0, 2.0], **fields),
        there_and_back(Prediction("c", [1.0, 2.0], **fields)) if fields != {"usage": 3} else None,
    ):
        with pytest.raises(MethodError, match="case 'c'"):
            list(validate_predictions(iter([prediction]), [request]))


def test_answers_belong_to_the_case_that_they_name():
    requests = [Request(f"c{i}", "u", (), ("a", "b")) for i in range(5)]
    answers = [Prediction(r.case_id, [float(i), 0.0]) for i, r in enumerate(requests)]
    assert list(validate_predictions(iter(answers[::-1]), requests)) == answers
    with pytest.raises(MethodError, match="was not asked or was answered already"):
        list(validate_predictions(iter([*answers[:2], answers[0]]), requests))
    with pytest.raises(MethodError, match="ended before case 'c3'"):
        list(validate_predictions(iter([*answers[:3], answers[4]]), requests))


def test_a_batch_of_questions_is_the_questions():
    data = toy_dataset(users=40, items=50, length=9)
    batch = data.request_batch(data.test)
    requests = list(data.requests(data.test))
    assert list(batch) == requests == [batch[i] for i in range(len(batch))]
    assert batch[3:5] == requests[3:5] and batch[-1] == requests[-1]
    sent = pickle.dumps(batch, protocol=5)
    assert data.catalog.ids[0].encode() not in sent  # items travel once, with the catalogue
    assert list(pickle.loads(sent).bind(data.catalog.ids)) == requests
    bare = list(batch.without_histories())
    assert [r.candidates for r in bare] == [r.candidates for r in requests]
    assert isinstance(batch, RequestBatch) and not any(r.history for r in bare)


def test_a_closed_channel_says_so():
    ours, theirs = socket.socketpair()
    here, there = Channel(ours.detach(), trusted=False), Channel(theirs.detach(), trusted=True)
    here.send("start", {"a": {1}})
    assert there.receive() == ("start", {"a": {1}})
    there.send("stage", "epochs", 3)
    assert here.receive() == ("stage", "epochs", 3)
    there.close()
    with pytest.raises(ChannelClosedError):
        here.receive()
