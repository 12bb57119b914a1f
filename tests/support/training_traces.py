"""Records of preference training, made by hand."""

import json

COUNTS = {"asked": 9, "incomplete": 2, "tied": 3, "kept": 4, "conflicts": 0.5, "weak": 0.25}


def line(step, margin=(1.0, 3.0), gaps=(), weights=(), beta=1.0, **more):
    values = {"step": step, "margin": list(margin), "leads": 0.5, "beyond_10": 0.0, "beta": beta}
    if gaps:
        values |= {"score_gap": list(gaps), "weight": list(weights)}
    return values | more


def write(path, lines, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(own) for own in lines) + end)
    return path


def preference(chosen, *rejected):
    return {
        "key": "u", "chosen": {"item": "a", "score": chosen},
        "rejected": [{"item": "b", "score": score} for score in rejected],
    }  # fmt: skip
