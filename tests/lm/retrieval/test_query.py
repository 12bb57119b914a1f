"""Queries in answers, and ranks by BM25."""

import pytest

from benchkit.lm.parsing import parse_answer
from benchkit.lm.response_format import ResponseFormat
from benchkit.lm.retrieval.query import (
    CatalogSearch,
    item_documents,
    item_query,
    parse_query,
    query_pieces,
    read_open_query,
)
from benchkit.types import Catalog

CATALOG = Catalog(
    tuple("abcd"),
    {
        "title": ["Blue", "Blue Moon", "Red Tea", "Red Tea"],
        "genres": ["Jazz", "Jazz", None, "Drink"],
        "description": ["", "A song.", "Leaves", None],
    },
)


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        ('<think>a</think><answer>{"query": "green tea"}</answer>', "green tea"),
        ('<answer>\n {"query": "a", "more": 1} </answer>', "a"),
        ('<answer>{"query": "a \\"b\\" ü"}</answer>', 'a "b" ü'),
        ('<answer>{"query": ""}</answer>', None),
        ('<answer>{"query": ["a"]}</answer>', None),
        ('<answer>{"words": "a"}</answer>', None),
        ("<answer>[1]</answer>", None),
        ("<answer>tea</answer>", None),
        ('<answer>{"query": "a}</answer>', None),
        ('{"query": "a"}', None),
        ('<answer>{"query": "a"}</answer><answer>{"query": "b"}</answer>', None),
        ("<answer>" + "[" * 100_000 + "</answer>", None),
    ],
)
def test_queries_are_read_strictly(answer, query):
    assert parse_query(answer) == query


@pytest.mark.parametrize("text", ["blue moon", 'The "Blue" one', "a\\b", "tab\tand ü", "<item>"])
def test_a_query_reads_as_it_was_written(text):
    form = ResponseFormat("think-query")
    begin, words, end = query_pieces(text)
    answer = "".join((*form.prefix("Why."), begin, words, end + form.suffix))
    assert parse_query(answer) == text
    assert read_open_query(words) == text
    assert parse_answer(answer, "stop", form)[1:3] == ("Why.", "ok")


def test_the_inside_of_a_string_that_is_no_json_is_taken_as_it_stands():
    assert read_open_query('a "b') == 'a "b'


def test_an_answer_without_a_query_is_unparsed():
    form = ResponseFormat("think-query")
    assert parse_answer("<think>a</think>tea", "stop", form).status == "unparsed"
    assert parse_answer("<think>a", "length", form).status == "truncated"
    parsed = parse_answer('<answer>{"query": "tea"}</answer>', "stop", ResponseFormat("query"))
    assert (parsed.item, parsed.status) == ("tea", "ok")


def test_documents_and_queries_hold_the_texts_of_an_item():
    assert item_documents(CATALOG) == [
        ["blue", "jazz"], ["blue", "moon", "a", "song", "jazz"], ["red", "tea", "leaves"],
        ["red", "tea", "drink"],
    ]  # fmt: skip
    assert item_query(CATALOG, "b") == "Blue Moon Jazz"
    assert item_query(CATALOG, "c") == "Red Tea"
    assert item_query(Catalog(("x",), {"title": [None]}), "x") == "x"


def test_ranks_by_bm25():
    search = CatalogSearch()
    assert search.rank("moon", "b", "abcd", CATALOG) == 1
    assert search.rank("moon", "a", "abcd", CATALOG) is None
    assert search.rank("blue", "a", "abcd", CATALOG) == 1  # the shorter text
    assert search.rank("blue", "b", "abcd", CATALOG) == 2
    assert search.rank("RED!", "d", "abcd", CATALOG) == 1.5  # two with one score
    assert search.rank("red", "d", "abd", CATALOG) == 1
    assert search.rank("", "a", "abcd", CATALOG) is None
    for item in "abd":
        assert search.rank(item_query(CATALOG, item), item, "abcd", CATALOG) == 1
    other = Catalog(("x",), {"title": ["Red"]})
    assert search.scores("red", ["x"], other)[0] > 0  # another catalogue, another index
    assert (
        search.scores("tea", "dc", CATALOG).tolist()
        == search.scores("tea", "cd", CATALOG).tolist()[::-1]
    )


def test_an_item_without_texts_is_found_by_its_id():
    for texts in ({}, {"title": (None, "Blue")}):
        catalog = Catalog(("a1", "b1"), texts)
        query = item_query(catalog, "a1")
        assert CatalogSearch().rank(query, "a1", catalog.ids, catalog) == 1.0
