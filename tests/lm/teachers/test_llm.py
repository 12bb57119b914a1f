"""Language models as teachers: the questions, strict reading, and answers kept on disk."""

from collections import Counter

import pytest

from benchkit.errors import ConfigError, EngineError
from benchkit.faults import NO_TEXT
from benchkit.lm.teachers import make_teacher
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.llm import LLMTeacherConfig
from benchkit.lm.teachers.prompt_template import (
    load_teacher_prompt,
    parse_teacher_answer,
    remove_title,
)
from benchkit.types import Catalog, Event
from tests.support.fake_engine import FakeEngine
from tests.support.openai_engine import edit, make

CATALOG = Catalog(
    ("a", "b", "c", "d"),
    {
        "title": ["Alien (1979)", "Aliens (1986)", "Toy {item} Story", "Psycho (1960)"],
        "description": ["A ship.", "  Two\nships. ", None, "x" * 1000],
    },
)
HISTORY = (Event("a", 5.0, 1, "So tense!\nAgain."), Event("d", 1.5), Event("c", None))
GOOD = "<rationale>Because {}.</rationale>\n<rating>5</rating>"


def question(item="b", key="u1", first=0):
    return TeacherQuestion(
        key, (Event("a", 3.0, None, str(first)), *HISTORY)[not first :], ("b", "c", "d"), item
    )


class FakeTeacherEngine(FakeEngine):
    """Answers as a teacher does, unless another function is passed."""

    def __init__(self, answer=None, stop_after=None):
        super().__init__(answer or (lambda prompt: (GOOD.format(prompt.key), "stop")), stop_after)


def teacher(asked, folder=None, **settings):
    config = LLMTeacherConfig(engine={"kind": "fake", "model": "m", **settings.pop("engine", {})},
                              **settings)  # fmt: skip
    return make_teacher(config, folder, lambda _: asked)


def many(n):
    """Questions that differ: greedy ones in the same words would be asked once."""
    return [question(key=f"u{number}", first=number + 1) for number in range(n)]


def test_the_question_of_c_apo():
    prompt = load_teacher_prompt("c-apo").render(question(), CATALOG)
    user = prompt.messages[1].content
    assert "(1) Title: Alien (1979); Rating: Excellent; Review: So tense! Again." in user
    assert "(2) Title: Psycho (1960); Rating: Bad\n" in user
    assert "(3) Title: Toy {item} Story\n" in user  # a place in a title is not filled
    assert "[Candidate List]\nTitle: Aliens (1986)\nTitle: Toy {item} Story\nTitle: Psy" in user
    assert "[Next Item]\nTitle: Aliens (1986)\n" in user
    assert "<rating>" in user
    assert "{history}" not in user


def test_chosen_and_rejected_items_are_asked_about_in_the_same_words():
    template = load_teacher_prompt("c-apo")
    shown = []
    for item in "bcd":
        prompt = template.render(question(item), CATALOG)
        system, user = (message.content for message in prompt.messages)
        place = f"[Next Item]\nTitle: {CATALOG.text(item)}\n"
        assert user.count(place) == 1
        shown.append((system, user.replace(place, "")))
    assert len(set(shown)) == 1


def test_columns_are_shown_and_cut():
    user = load_teacher_prompt("post-hoc").render(question("d"), CATALOG).messages[1].content
    assert f"[Next Item]\nTitle: Psycho (1960); Description: {'x' * 300}\n" in user
    assert "[Candidate List]" not in user


def test_a_prompt_is_known_by_its_content(tmp_path):
    first = load_teacher_prompt("c-apo")
    assert first.hash == load_teacher_prompt("c-apo").hash
    assert first.hash != first.model_copy(update={"review_chars": 5}).hash
    path = tmp_path / "mine.toml"
    path.write_text('# mine\nsystem = "s"\nuser = "{item}"\nanswer = "rated"')
    assert load_teacher_prompt(str(path)).render(question(), CATALOG).messages[1].content == (
        "Title: Aliens (1986)"
    )
    path.write_text('system = "s"\nuser = "{item}"\nanswer = "sung"')
    with pytest.raises(ConfigError, match="answer"):
        load_teacher_prompt(str(path))


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("<rationale>r</rationale><rating>1</rating>", 1),
        ("Sure!\n<rationale> r </rationale>\n<rating> 7 </rating> Done.", 7),
        ("hm <rating>2</rating></think>\n<rationale>r</rationale><rating>4.5</rating>", 4.5),
        ("<think>hm <rating>2</rating></think><rationale>r</rationale><rating>4.5</rating>", 4.5),
        ("<rationale>r</rationale><rating>0</rating>", None),
        ("<rationale>r</rationale><rating>7.5</rating>", None),
        ("<rationale>r</rationale><rating>-3</rating>", None),
        ("<rationale>r</rationale><rating>5/7</rating>", None),
        ("<rationale>r</rationale><rating>6: strong</rating>", None),
        ("<rationale>r</rationale><rating>nan</rating>", None),
        ("<rationale>r</rationale><rating>²</rating>", None),
        ("<rationale>r</rationale>", None),
        ("<rationale>r</rationale><rating>4</rating><rating>5</rating>", None),
        ("<rationale>r<rating>4</rating>", None),
        ("<rationale> </rationale><rating>4</rating>", None),
        ("</rationale>r<rationale><rating>4</rating>", None),
        ("", None),
    ],
)
def test_ratings_are_read_strictly(text, score):
    parsed = parse_teacher_answer("rated", text)
    assert (parsed and parsed.score) == score
    assert parsed is None or parsed.text == "r"


def test_flags_and_items_are_read_strictly():
    assert parse_teacher_answer(
        "flagged", "<rationale>r</rationale><coherent>Yes</coherent>"
    ).coherent
    assert not parse_teacher_answer(
        "flagged", "<rationale>r</rationale><coherent>no</coherent>"
    ).coherent
    assert (
        parse_teacher_answer("flagged", "<rationale>r</rationale><coherent>maybe</coherent>")
        is None
    )
    assert parse_teacher_answer("flagged", "<rationale>r</rationale>") is None
    assert parse_teacher_answer("item", "<item> Alien </item>").item == "Alien"
    assert parse_teacher_answer("item", "Alien") is None


def test_whatever_cannot_be_used_has_a_status_and_no_score():
    answers = {
        "u0": (GOOD, "stop"), "u1": ("nothing", "stop"), "u2": (GOOD[:20], "length"),
        "u3": ("I cannot", "refused"), "u4": ("", "error"), "u5": (GOOD, "length"),
    }  # fmt: skip
    engine = FakeTeacherEngine(lambda prompt: answers[prompt.key.split("/")[0]])
    with pytest.raises(EngineError, match="1 of 6 rationales without a readable answer"):
        list(teacher(engine).write(many(6), CATALOG))
    asking = teacher(engine, max_fault_share=0.2)
    found = list(asking.write(many(6), CATALOG))
    assert [r.status for r in found] == [
        "ok", "unparsed", "truncated", "refused", "error", "truncated"
    ]  # fmt: skip
    assert [(r.text is None, r.score is None) for r in found] == [
        (False, False),
        *[(True, True)] * 5,
    ]
    assert found[1].meta["raw"] == "nothing"
    assert asking.counts["truncated"] == 2


def cut_before_the_first_letter():
    message = {"content": None, "reasoning_content": "Let me see."}
    return edit(lambda choice: choice.update(message=message, finish_reason="length"))


@pytest.mark.usefixtures("environment")
def test_an_answer_of_a_server_that_ended_before_its_first_letter_is_a_fault(echo, tmp_path):
    echo.backend.reply = lambda text, number, seed: GOOD
    echo.faults.extend([None, cut_before_the_first_letter()])
    engine = make(echo, tmp_path, concurrency=1)
    asking = teacher(engine, tmp_path, max_fault_share=0.5)
    rationales = list(asking.write(many(3), CATALOG))
    assert [r.status for r in rationales] == ["ok", "truncated", "ok"]
    assert rationales[1].meta["why"] == NO_TEXT
    # The server's answer is stored, and a fault all the same.
    with pytest.raises(EngineError, match="1 of 3 rationales without a readable answer") as caught:
        list(teacher(engine, tmp_path).write(many(3), CATALOG))
    assert NO_TEXT in caught.value.cause and len(echo.seen) == 3


@pytest.mark.usefixtures("environment")
def test_a_verification_that_ended_before_its_first_letter_refutes_nothing(echo, tmp_path):
    echo.backend.reply = lambda text, number, seed: GOOD
    echo.faults.extend([None, cut_before_the_first_letter()])
    asking = teacher(make(echo, tmp_path), tmp_path, verify=True, max_fault_share=1)
    (rationale,) = asking.write([question()], CATALOG)
    assert (rationale.status, rationale.meta["why"]) == ("truncated", NO_TEXT)


def test_a_flagged_explanation_is_dropped_and_not_asked_for_again(tmp_path):
    engine = FakeTeacherEngine(
        lambda _: ("<rationale>r</rationale><coherent>no</coherent>", "stop")
    )
    for _ in range(2):
        (found,) = teacher(engine, tmp_path, prompt="post-hoc").write([question()], CATALOG)
        assert (found.text, found.status) == (None, "refused")
        assert "incoherent" in found.meta["why"]
    assert len(engine.asked) == 1


def test_an_interrupted_teacher_goes_on_where_it_was(tmp_path):
    first = FakeTeacherEngine(stop_after=7)
    seen = []
    with pytest.raises(EngineError):
        seen.extend(teacher(first, tmp_path, batch=4).write(many(10), CATALOG))
    assert len(seen) == 4  # the second batch is not whole, but its answers are kept
    second = FakeTeacherEngine()
    whole = teacher(second, tmp_path, batch=4)
    found = list(whole.write(many(10), CATALOG))
    assert [r.key for r in found] == [f"u{n}" for n in range(10)]
    assert [prompt.key for prompt, _ in second.asked] == ["u7/b", "u8/b", "u9/b"]
    assert found == list(teacher(FakeTeacherEngine()).write(many(10), CATALOG))
    assert whole.counts == Counter(ok=10, cached=7)


def test_the_engine_is_made_only_when_there_is_something_to_ask(tmp_path):
    list(teacher(FakeTeacherEngine(), tmp_path).write(many(3), CATALOG))

    def never(_):
        raise AssertionError

    config = LLMTeacherConfig(engine={"kind": "fake", "model": "m"})
    assert len(list(make_teacher(config, tmp_path, never).write(many(3), CATALOG))) == 3


def test_answers_that_cannot_be_used_are_asked_for_again(tmp_path):
    bad = FakeTeacherEngine(lambda _: ("nothing", "stop"))
    list(teacher(bad, tmp_path).write(many(2), CATALOG))
    engine = FakeTeacherEngine()
    assert [r.status for r in teacher(engine, tmp_path).write(many(2), CATALOG)] == ["ok", "ok"]
    assert len(engine.asked) == 2


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({}, 0),
        ({"engine": {"concurrency": 9, "price_prompt": 1.0}}, 0),
        ({"batch": 1}, 0),
        ({"engine": {"model": "other"}}, 1),
        ({"history": 1}, 1),
        ({"decoding": {"max_tokens": 99}}, 1),
        ({"prompt": "post-hoc"}, 1),
    ],
)
def test_answers_are_kept_by_whatever_they_depend_on(tmp_path, change, asked):
    list(teacher(FakeTeacherEngine(), tmp_path).write([question()], CATALOG))
    engine = FakeTeacherEngine()
    list(teacher(engine, tmp_path, **change).write([question()], CATALOG))
    assert len(engine.asked) == asked


def test_above_temperature_0_each_key_has_an_answer_of_its_own(tmp_path):
    questions = [question(key=f"u1~{draw}") for draw in range(3)]
    warm, cold = FakeTeacherEngine(), FakeTeacherEngine()
    list(teacher(warm, tmp_path, decoding={"temperature": 0.7}).write(questions, CATALOG))
    list(teacher(cold, tmp_path).write(questions, CATALOG))
    assert len({prompt.key for prompt, _ in warm.asked}) == 3
    assert len(cold.asked) == 1  # the same words, asked greedily


def test_an_estimate_asks_nothing_and_counts_what_is_there(tmp_path):
    price = {"price_prompt": 10.0, "price_completion": 100.0}
    engine = FakeTeacherEngine()
    list(teacher(engine, tmp_path).write(
        [question("c", "u0")], CATALOG))  # fmt: skip
    asking = teacher(engine, tmp_path, engine=price, decoding={"max_tokens": 768})
    found = asking.estimate([question("c", "u0"), question("b"), question("d")], CATALOG)
    assert len(engine.asked) == 1
    words = sum(
        engine.count_tokens(message.content) + 8
        for item in "bd"
        for message in load_teacher_prompt("c-apo").render(question(item), CATALOG).messages
    )
    assert (found.calls, found.n_cached) == (2, 1)
    assert (found.prompt_tokens, found.completion_tokens) == (words, 2 * 768)
    assert found.cost == pytest.approx((words * 10 + 2 * 768 * 100) / 1e6)
    assert teacher(engine, tmp_path).estimate([question()], CATALOG).cost is None


def test_verified_rationales_are_those_from_which_the_item_is_found_again(tmp_path):
    """The model answers rightly if and only if the rationale says `ok`."""

    def answer(prompt):
        user = prompt.messages[1].content
        if "[Reasoning]" not in user:
            reason = "ok" if prompt.key < "u2" else "no"
            return f"<rationale>aliens (1986): {reason}</rationale><rating>5</rating>", "stop"
        assert "aliens (1986): " not in user
        assert "the item: " in user
        title = "aliens  (1986)" if "the item: ok" in user else "Psycho (1960)"
        return f"<item>{title}</item>", "stop"

    engine = FakeTeacherEngine(answer)
    asking = teacher(engine, tmp_path, verify=True)
    questions = many(4)
    assert asking.estimate(questions, CATALOG).calls == 8
    found = list(asking.write(questions, CATALOG))
    assert [r.status for r in found] == ["ok", "ok", "refused", "refused"]
    assert len(engine.asked) == 8
    list(teacher(engine, tmp_path, verify=True).write(questions, CATALOG))
    assert len(engine.asked) == 8


def test_titles_are_removed_before_verifying():
    text = 'Like "Toy  Story (1995)", TOY STORY is fun; Toy Storyteller is not.'
    assert remove_title(text, "Toy Story (1995)") == (
        'Like "the item", the item is fun; Toy Storyteller is not.'
    )
    assert remove_title("C++ is C.", "C++") == "the item is C."


def test_configurations_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="one answer"):
        teacher(FakeTeacherEngine(), decoding={"n": 2})
    with pytest.raises(ConfigError, match="no rationale"):
        teacher(FakeTeacherEngine(), prompt="rec-saver-verify")
    with pytest.raises(ConfigError, match="c-apo"):
        teacher(FakeTeacherEngine(), prompt="capo")


def test_the_caveat_says_who_wrote():
    assert teacher(FakeTeacherEngine()).caveat == "rationales from m, prompt c-apo"
    assert teacher(FakeTeacherEngine()).name == "llm/c-apo/m"
    assert teacher(FakeTeacherEngine()).models == ("m",)
