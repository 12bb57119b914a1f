"""How a judge is asked to write its verdict: the counterpart of `judges.verdict_parser`."""

from benchkit.judging.reply_form import TAG
from benchkit.judging.rubric import Rubric
from judges.grade_numbers import RATING_WORD


def verdict_form(rubric: Rubric) -> str:
    """Return the verdict as it is to be written, with n for each grade, or X for a letter.

    >>> from benchkit.judging.rubric import load_rubric
    >>> verdict_form(load_rubric("rationale-0-3"))
    '<eval>RATING-n</eval>'
    """
    form, names = rubric.reply[0], [criterion.name for criterion in rubric.criteria]
    single = len(names) == 1
    if form.kind == "tag":
        if form != TAG and single:
            return f"<{form.tag}>n</{form.tag}>"
        words = [RATING_WORD] if single else names
        return f"<{form.tag}>{' '.join(f'{word}-n' for word in words)}</{form.tag}>"
    if form.kind == "json":
        fields = ", ".join(f'"{name}": n' for name in names)
        if not form.name:
            return f"{{{fields}}}"
        return f'{{"{form.name}": {"n" if single else f"{{{fields}}}"}}}'
    if form.kind == "fraction":
        return f"n/{rubric.main.high}"
    word, value = ("Grade", "X") if form.kind == "letter" else ("Rating", "n")
    return "\n".join(f"{word if single else name}: {value}" for name in names)


def describe_values(rubric: Rubric) -> str:
    """Return what is to be written for n or X.

    >>> from benchkit.judging.rubric import load_rubric
    >>> describe_values(load_rubric("rationale-0-3"))
    'a whole number for n'
    """
    single = len(rubric.criteria) == 1
    if rubric.reply[0].kind != "letter":
        halves = " or a half, such as 1.5," if rubric.half_grades else ""
        return f"a whole number{halves} for {'n' if single else 'each n'}"
    parts = []
    for criterion in rubric.criteria:
        letters = rubric.reply[0].letters(len(criterion.grades))
        pairs = ", ".join(f"{x} for {n}" for x, n in zip(letters, criterion.grades, strict=True))
        parts.append(pairs if single else f"{criterion.name} {pairs}")
    return f"one letter for {'X' if single else 'each X'} ({'; '.join(parts)})"
