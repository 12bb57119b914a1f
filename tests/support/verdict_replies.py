"""Replies of judges by the thousand: a verdict in many shapes, with distracting text around it."""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from benchkit.judging.rubric import Rubric
from tests.support.judge_inputs import small_rubric


class Shape(NamedTuple):
    """One way to write a verdict, and the rubric that reads it."""

    name: str
    rubric: Rubric
    write: Callable[[float], str]


def with_reply(reply, low=1, high=5, half_grades=False):
    """A rubric of one criterion with a form of reply."""
    rubric = small_rubric(("rating", low, high))
    values = rubric.model_dump() | {"reply": reply, "half_grades": half_grades}
    return Rubric.model_validate(values)


def shapes(low: int, high: int, half_grades: bool = False) -> list[Shape]:
    """All shapes on a scale."""

    def letter(grade):
        return "GFEDCBA"[-(high - low + 1) :][int(grade) - low]

    texts = {
        "tag": {
            "plain": "<eval>RATING-{n}</eval>",
            "lower case": "<eval>rating-{n}</eval>",
            "upper case": "<EVAL>RATING-{n}</EVAL>",
            "bold": "**<eval>RATING-{n}</eval>**",
            "fenced": "```xml\n<eval>\nRATING-{n}\n</eval>\n```",
            "repeated": "<eval>RATING-{n}</eval>\n\nIn short: <eval>RATING-{n}</eval>",
        },
        "rating": {
            "plain": "Rating: {n}",
            "lower case": "rating: {n}",
            "bold": "**Rating: {n}**",
            "bold label": "**Rating:** {n}",
            "bold number": "Rating: **{n}**.",
            "of the highest": "Rating: {n}/{high}",
            "out of": "Final rating: {n} out of {high}",
            "is": "My final rating is {n}.",
            "double brackets": "Rating: [[{n}]]",
            "fenced": "```\nRating: {n}\n```",
            "heading": "## Rating\n\n{n}/{high}",
            "with the scale": "Rating ({low}-{high}): {n}",
            "table": "| criterion | value |\n| --- | --- |\n| rating | {n} |",
            "with a reason": "Score: {n} - it follows from the history.",
            "with stars": "Rating: {n} stars",
            "repeated": "Rating: {n}\n\nIt fits well, as was said.\n\nRating: {n}/{high}",
            "inline": "It fits. Overall rating: {n}, because it names what was bought.",
            "HTML": "<b>Rating:</b> {n}",
        },
        "fraction": {
            "plain": "{n}/{high}",
            "bold": "**{n}/{high}**",
            "spaces": "{n} / {high}",
            "out of": "{n} out of {high}",
            "inline": "I would give it {n}/{high}.",
            "labelled": "Rating: {n}/{high}",
            "repeated": "{n}/{high}\n\nThat is my verdict: {n}/{high}.",
        },
        "json": {
            "plain": '{{"rating": {n}}}',
            "fenced": '```json\n{{\n  "rating": {n},\n  "reason": "fits"\n}}\n```',
            "text": '{{"reason": "say {{so}}", "rating": "{n}"}}',
            "of the highest": '{{"Rating": "{n}/{high}"}}',
            "inline": 'My verdict is {{"rating": {n}}}, as it fits.',
            "repeated": '{{"rating": {n}}}\n\n{{"rating": {n}, "reason": "as above"}}',
        },
        "named tag": {
            "plain": "<score>{n}</score>",
            "of the highest": "<score> {n}/{high} </score>",
            "bold": "<Score>**{n}**</Score>",
        },
    }
    if not half_grades:
        texts["letter"] = {
            "plain": "{letter}",
            "brackets": "({letter})",
            "labelled": "Grade: {letter}",
            "bold": "**Answer: {letter}**",
            "lower case": "grade: {lower}",
            "with a reason": "Verdict: [[{letter}]] - it fits.",
        }
    result = []
    for form, templates in texts.items():
        reply = {"tag": "score"} if form == "named tag" else form
        rubric = with_reply(reply, low, high, half_grades)
        for name, text in templates.items():

            def write(grade, text=text):
                x = "" if half_grades else letter(grade)
                return text.format(n=f"{grade:g}", low=low, high=high, letter=x, lower=x.lower())

            result.append(Shape(f"{form}, {name}", rubric, write))
    return result


def surrounded(
    shape: Shape, grade: float, generator: np.random.Generator, low: int, high: int
) -> str:
    """The verdict of a shape with text before and behind it, at random."""
    other = int(generator.integers(low, high + 1))
    before = [
        "",
        f"The scale goes from {low} to {high}, where {low} is poor and {high} is good.",
        f"Rating: {low}-{high} is the scale.",
        f"The customer bought 12 teas in 2019, and rated 3 of them {high} stars.",
        f"The customer's rating: {other}.",
        f"A rating of {other} was my first thought.",
        "It names 3 of 4 items, 75 % of the history, at $4.99 each.",
        "1. It is grounded.\n2. It is specific, by 7 words.",
        'The form is {"rating": n}.',
        "A good explanation. B comes after A.",
    ]
    behind = ["", "That is all.", "It took 3 steps and 14 words.", "Thank you! 1 more remark."]
    quoted = shape.write(other)
    thinking = ["", f"<think>\nFirst I thought {quoted}, or 2.\n</think>\n", f"{quoted}\n</think>"]
    parts = generator.choice(np.array(before, dtype=object), size=2)
    body = "\n\n".join(filter(None, [*parts, shape.write(grade), generator.choice(behind)]))
    return f"{generator.choice(thinking)}{body}"


def replies(count: int, seed: int, half_grades: bool = False) -> Iterator[tuple[Shape, float, str]]:
    """Yield shape, grade and reply; each shape and scale equally often."""
    generator = np.random.default_rng(seed)
    for low, high in ((1, 5), (0, 3), (1, 7)):
        for shape in shapes(low, high, half_grades):
            for _ in range(count):
                steps = 2 if half_grades else 1
                grade = int(generator.integers(low * steps, high * steps + 1)) / steps
                yield shape, grade, surrounded(shape, grade, generator, low, high)


def contradicting(seed: int) -> Iterator[tuple[Shape, str]]:
    """Yield replies that hold two different verdicts of one shape."""
    generator = np.random.default_rng(seed)
    for shape in shapes(1, 5):
        for grade in range(1, 6):
            other = 1 + (grade + int(generator.integers(0, 4))) % 5
            yield shape, f"{shape.write(grade)}\n\nNo, I change it.\n\n{shape.write(other)}"


REVISIONS = [
    "\nFinal: {m}", "; final: {m}", ", final: {m}", " (final: {m})", "\nFinal decision: {m}",
    "\nFinal answer: {m}.", "\n\nMy final assessment: {m}", "\nOverall: {m}", "\nOverall: {m}/5",
    "\nOverall judgment: {m} - it is vague", "\nAfter reflection: {m}", "\nRevised: {m}",
    "\nFinal is {m}.", "\nFinal - {m}", "\nFinal:\n{m}", "\nFinal: [[{m}]]", "\nEdit: {m}",
    "\nFinal: {m} or {n}", "\nFinal: {m}-{n}", "\nSo the result: {m}", "\nThus, overall: {m}",
    ", downgraded to {m}", " (downgraded to {m})", " [lowered to {m}]", ". Downgraded to {m}.",
    ", raised to {m} for its style", "; reduced it to {m}.", "\nLowered to {m} for vagueness.",
    ", corrected to a {m}", " - revised down to {m}.", ". I reduced it to {m}.",
    ", no wait, {m}", ", no, {m}", ". No, {m}.", "! No, {m}!", "\nNo, {m}.", "\n\nWait, {m}.",
    ". No, wait: {m} for vagueness.", ". Hmm, I'd say {m}.", ". Sorry, I mean {m}.", ", rather {m}",
    ". Or rather {m}.", ". On second thought, {m}.", ". On reflection, it should be a {m}.",
    ". Scratch that: {m}.", ". Let me reconsider: {m}.", ". I change my mind: {m}.",
    ". After all, a {m} is better.", ". Actually, {m} is better.", ", but really a {m}.",
    ". Actually, make it {m}, because it is vague.", ". Correction: {m}/5.", " -> {m}", " → {m}",
    ", minus {m} for vagueness", ". Minus {m} for vagueness.", " (minus {m} for vagueness) = 3",
    " minus {m}", " less {m} for its length", ", minus one for vagueness", " (vague) = {m}",
    ". Minus a point for its length.", ", deducted {m} for vagueness", " (plus {m} for style)",
    ". I now think {m} is right.", ". Reconsidered: {m}.", ". Let's say {m}.", ". Better: {m}.",
    ". My mistake, {m}.", ". In conclusion: {m}.", ". I take that back; {m}.", " (now {m})",
    ", then {m}.", ". One point off: {m}.", "; {m} on reflection", ". {m} is fairer.", ", i.e. {m}",
    ", knocked down to {m}", ", with a deduction of {m}", ". Wait, {m} or {n}.",
]  # fmt: skip
REMARKS = [
    "\nFinal: {n}", "; overall: {n}/5", ". No, it is {n}.", "\nFinal decision: {n}",
    ". Overall, good.", ", plus {m} items", " - no {m} items alike", ". Of 5 items {m} fit.",
    ". A {m} would need another style.", ". I cut it to fit {m} items.", ". It raises {m} points.",
    " (down from {m})", ", up from {m}", " (not {m})", ", rather than a poor one",
    ". No {m} items are alike.", ". It beats item No. {m} by far.",
    ". It names {m} items, no less.",
    "\nOverall: {m} items of the history fit.", "\nItems overall: {m}.",
    "\nFinal: {m} % of them fit.",
    ". It could be raised to {m} by a better style.", ". A year would have raised it to {m}.",
    ". No mention of the other {m} items.", ", less than the best", "\nWait for {m} weeks.",
]  # fmt: skip


def followed(endings: list[str], seed: int) -> Iterator[tuple[str, Rubric, int, str]]:
    """Yield ending, rubric, grade and reply: a verdict with an ending that names another grade."""
    generator = np.random.default_rng(seed)
    rubric = with_reply("rating")
    for verdict in (
        "Rating: {n}",
        "**Score: {n}**",
        "It fits.\n\nFinal rating: {n}/5",
        "Rating: [[{n}]]",
    ):
        for ending in endings:
            grade = 1 + int(generator.integers(0, 5))
            other = 1 + (grade + int(generator.integers(0, 4))) % 5
            yield ending, rubric, grade, (verdict + ending).format(n=grade, m=other)


def several_criteria(grades: dict[str, int]) -> dict[str, tuple[object, str]]:
    """Name -> form and reply, with a grade for each criterion."""
    lines = [f"{name}: {n}" for name, n in grades.items()]
    return {
        "tag": ("tag", f"<eval>{' '.join(f'{name}-{n}' for name, n in grades.items())}</eval>"),
        "lines": ("rating", "\n".join(f"- **{line.capitalize()}/5**" for line in lines)),
        "one line": ("rating", f"I grade it so: {', '.join(lines)}."),
        "table": ("rating", "\n".join(f"| {name} | {n} |" for name, n in grades.items())),
        "json": ("json", json.dumps(grades)),
        "nested": ({"json": "scores"}, f"```json\n{json.dumps({'scores': grades})}\n```"),
        "letters": ("letter", "\n".join(f"{k}: {'EDCBA'[n - 1]}" for k, n in grades.items())),
    }
