"""Templates and the prompts made from them."""

import json
import re
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import ConfigError, DataError
from benchkit.lm.prompts import Template, builtin_templates, load_template, render_prompt
from benchkit.lm.response_format import ResponseFormat
from benchkit.testing.fixtures import toy_dataset
from benchkit.types import Catalog, Event, Request

REAL = Path(__file__).parents[3] / "shared" / "data" / "grocery2023_rationales"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real prompts are not at {REAL}")

CATALOG = Catalog(
    ids=("a", "b", "c", "d"),
    texts={
        "title": ["Blue  Moon", "Black", None, "{history} {x}"],
        "description": ["A\nsong.", None, "", "D" * 500],
        "details": ["Key: A", None, None, "Key: D"],
    },
)
EVENTS = (
    Event("a", rating=4.5, review="Fine,\n\nreally"),
    Event("b", rating=0.5),
    Event("d", rating=2.0),
)


def words(text):
    return len(text.split())


def request(history=EVENTS, candidates=("b", "c", "d")):
    return Request("case 1", "u", tuple(history), tuple(candidates))


def rendered(name="titles", asked=None, **options):
    options = {"rationale": False, "count_tokens": words, **options}
    template = name if isinstance(name, Template) else load_template(name)
    return render_prompt(template, asked or request(), CATALOG, **options)


def user(name="titles", asked=None, **options):
    return rendered(name, asked, **options).prompt.messages[-1].content


def made(**changes):
    """The titles template with changes, as it would stand in a file."""
    values = load_template("titles").model_dump(mode="json")
    return Template.model_validate({**values, **changes})


@pytest.mark.parametrize("name", builtin_templates())
def test_shipped_templates_render(name):
    template = load_template(name)
    assert template.name == name and template.description
    for rationale in {False, template.response.rationale is not None}:
        out = rendered(name, rationale=rationale)
        assert out.n_shown == 3 and out.n_dropped == 0
        assert out.tokens == sum(words(message.content) for message in out.prompt.messages)
        assert out.prompt.key == "case 1" and out.prompt.prefill == ()
        text = out.prompt.messages[-1].content
        assert text.index("Blue Moon") < text.index("Black")
        assert "None" not in text and text == text.lstrip()
        assert template.response_format(rationale).explains == rationale
        empty = rendered(name, request(history=()), rationale=rationale)
        assert empty.n_shown == empty.n_dropped == 0


def test_papers():
    out = rendered("papers", rationale=True)
    system, prompt = out.prompt.messages
    assert system.role == "system" and prompt.role == "user"
    text = prompt.content
    assert text.startswith(
        "[Purchase History], oldest first:\n"
        "title: Blue Moon\n- description: A song.\n- details: Key: A\n"
        "- review: Fine, really\n- rating: Excellent\n\n"
        "title: Black\n- rating: 0.5\n\n"
        f"title: {{history}} {{x}}\n- description: {'D' * 300}\n- details: Key: D\n"
        "- rating: Bad\n\n"
        "[Candidate List]:\n"
        "title: Black\n\n"
        "title: c\n\n"
        f"title: {{history}} {{x}}\n- description: {'D' * 300}\n- details: Key: D\n\n"
        "[Instruction]:\n"
    )
    assert text.endswith("<think>your reasons</think><item>title of the item</item>")
    item_only = user("papers")
    assert item_only.endswith("\n<item>title of the item</item>") and "<think>" not in item_only


def test_papers_takes_the_genres_where_there_are_no_details():
    dataset = toy_dataset(users=20, items=60)
    title = dataset.catalog.text(dataset.catalog.ids[0])
    asked = Request("1", "u", (Event(dataset.catalog.ids[0]),), dataset.catalog.ids[:2])
    out = render_prompt(
        load_template("papers"), asked, dataset.catalog, rationale=False, count_tokens=len
    )
    assert f"title: {title}\n- details: {dataset.catalog.text('i0', 'genres')}\n\n" in (
        out.prompt.messages[-1].content
    )


def test_titles():
    assert user("titles").startswith(
        "The user chose these items, oldest first:\nBlue Moon\nBlack\n{history} {x}\n\n"
        "Candidates:\nBlack\nc\n{history} {x}\n\n"
    )


def test_recpo():
    text = user("recpo")
    assert "\nBlue Moon | Rating: 4.5\nBlack | Rating: 0.5\n{history} {x} | Rating: 2\n" in text
    assert text.endswith("\nBlack\nc\n{history} {x}\n\nAnswer:")
    assert "\nBlue Moon\n" in user("recpo", request(history=[Event("a")]))
    assert len(rendered("recpo").prompt.messages) == 1


def test_compact_goes_on_where_the_history_ends():
    out = rendered("compact")
    assert [m.role for m in out.prompt.messages] == ["user"]
    assert out.prompt.messages[0].content == "Blue Moon\nBlack\n{history} {x}\n"
    assert user("compact", request(history=())) == ""
    assert load_template("compact").show_candidates is False


def test_the_prompt_does_not_depend_on_candidates_that_are_not_shown():
    assert rendered("compact") == rendered("compact", request(candidates=("a",)))


def test_answers_give_titles_as_prompts_show_them():
    template = made(title_limit=6)
    assert [template.item_title(CATALOG, item) for item in "abcd"] == [
        "Blue M",
        "Black",
        "c",
        "{histo",
    ]
    assert "Blue M\n" in user(template)


def test_a_key_of_its_own():
    assert rendered(suffix_key="/2").prompt.key == "case 1/2"


def test_no_rationale_where_none_is_asked_for():
    with pytest.raises(ConfigError, match="'titles' asks for no rationale"):
        rendered("titles", rationale=True)
    assert load_template("papers").response_format(True) == ResponseFormat("think-item")
    assert load_template("papers").response_format(False) == ResponseFormat("item")


def test_the_oldest_events_are_dropped_first():
    whole = rendered()
    out = rendered(budget=whole.tokens - 1)
    assert (out.n_shown, out.n_dropped, out.tokens) == (2, 1, whole.tokens - 2)
    text = out.prompt.messages[-1].content
    assert "Blue Moon" not in text and text.count("Black") == 2  # history and candidates
    assert rendered(budget=whole.tokens) == whole == rendered()


def test_a_prompt_without_history_is_the_last_resort():
    none = rendered("papers", request(history=()))
    out = rendered("papers", budget=none.tokens)
    assert (out.n_shown, out.n_dropped) == (0, 3) and out.prompt == none.prompt
    with pytest.raises(
        DataError, match=rf"case 1 has {none.tokens} tokens .* {none.tokens - 1} ar"
    ):
        rendered("papers", budget=none.tokens - 1)


def test_max_events():
    history = made().history.model_copy(update={"max_events": 1})
    out = rendered(made(history=history.model_dump()))
    assert (out.n_shown, out.n_dropped) == (1, 2)
    assert "Blue Moon" not in out.prompt.messages[-1].content


@given(st.integers(0, 40), st.integers(20, 400), st.booleans())
def test_it_fits_and_nothing_more_would(n, budget, superadditive):
    """Also with a tokenizer for which joined texts have more tokens than their parts."""

    def count(text):
        return len(text.split()) + (text.count("\n") // 7 if superadditive else 0)

    asked = request([Event("ab"[i % 2]) for i in range(n)])
    try:
        out = rendered(asked=asked, budget=budget, count_tokens=count)
    except DataError:
        least = rendered(asked=request(history=()), count_tokens=count)
        assert least.tokens > budget
        return
    assert out.n_shown + out.n_dropped == n and out.tokens <= budget
    if out.n_dropped and not superadditive:
        more = request(asked.history[out.n_dropped - 1 :])
        assert rendered(asked=more, count_tokens=count).tokens > budget


def test_each_event_is_counted_at_most_once():
    counted = []

    def count(text):
        counted.append(text)
        return words(text)

    asked = request([Event("a")] * 50)
    out = rendered(asked=asked, budget=rendered(asked=asked).tokens - 20, count_tokens=count)
    assert 35 <= out.n_shown <= 40
    events = [text for text in counted if text == "Blue Moon\n"]
    assert len(events) <= 50
    assert len(counted) - len(events) == 6  # system and user: whole, without history, final


@pytest.mark.parametrize(
    "changes",
    [
        {"system": "x"},
        {"user": "{history}{candidates}"},
        {"show_candidates": False, "user": "{history}"},
        {"title_limit": 10},
        {"history": {"fields": [{"sources": ["title"]}], "max_events": 3}},
        {"instruction": {"item": "x"}},
        {"response": {"item": "item"}},
    ],
)
def test_the_hash_changes_with_all_that_can_change_the_text(changes):
    assert made(**changes).hash != made().hash


def test_the_hash_does_not_change_with_the_name():
    assert made(name="x", description="y").hash == made().hash
    assert re.fullmatch("[0-9a-f]{16}", made().hash)
    names = builtin_templates()
    assert len({load_template(name).hash for name in names}) == len(names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": "{history}"}, "if, and only if, show_candidates"),
        ({"user": "{candidates}"}, "{history} is missing"),
        ({"user": "{history}{candidates}{who}"}, "no such place {who}"),
        ({"show_candidates": False}, "if, and only if, show_candidates"),
        ({"candidates": None}, "candidates: missing"),
        ({"candidates": {"fields": [{"sources": ["review"]}]}}, "'review' is of an event"),
        ({"history": {"fields": [{"sources": ["title"], "limit": 3}]}}, "title_limit"),
        ({"response": {"item": "think-item"}}, "response.item"),
        ({"response": {"item": "item", "rationale": "title"}}, "response.rationale"),
        ({"version": 2}, "version"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        made(**changes)


def test_templates_from_files(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(builtin_templates()["titles"].read_text())
    assert load_template(file).hash == load_template("titles").hash
    assert load_template(str(file)).name == "mine"
    file.write_text("version = 2\nuser = '{history}'\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: 3 problems\n  version: "):
        load_template(file)
    file.write_text("version =")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        load_template(file)
    with pytest.raises(ConfigError, match="no such template file"):
        load_template(tmp_path / "other.toml")
    with pytest.raises(ConfigError, match="papers"):
        load_template("paper")


ENTRY = re.compile(
    r"title:(?P<title>.*)\n- item_id:(?P<item>.*)\n- description:(?P<description>.*)\n"
    r"- details:(?P<details>.*)(?:\n- review:(?P<review>.*)\n- rating:(?P<rating>\w+))?"
)
STARS = {"Terrible": 1.0, "Bad": 2.0, "Okay": 3.0, "Good": 4.0, "Excellent": 5.0}


@real
@pytest.mark.parametrize("name", ["test_prompts.json", "train_rationales.json"])
def test_prompts_are_about_as_long_as_the_published_ones(name):
    """The same items under our template: within a tenth, for ids and tags differ."""
    ours, theirs = [], []
    for case in json.loads((REAL / name).read_text()):
        entries = [match.groupdict() for match in ENTRY.finditer(case["input"])]
        history = [entry for entry in entries if entry["rating"]]
        candidates = [entry for entry in entries if not entry["rating"]][-30:]
        items = {entry["item"]: entry for entry in entries}
        columns = ("title", "description", "details")
        catalog = Catalog(
            tuple(items), {c: [entry[c] or None for entry in items.values()] for c in columns}
        )
        asked = Request(
            "1",
            "u",
            tuple(Event(e["item"], STARS[e["rating"]], None, e["review"]) for e in history),
            tuple(entry["item"] for entry in candidates),
        )
        out = render_prompt(
            load_template("papers"), asked, catalog, rationale=True, count_tokens=len
        )
        assert out.n_shown == len(history) in (4, 6)
        ours.append(out.tokens)
        theirs.append(len(case["system_prompt"]) + len(case["input"]))
    assert 0.9 < statistics.median(ours) / statistics.median(theirs) < 1.1
    assert 0.9 < max(ours) / max(theirs) < 1.1
