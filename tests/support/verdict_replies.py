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
