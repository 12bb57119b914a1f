"""C-APO's calibrator texts on MovieLens 100K: MiniLM as it was asked before, and as it is asked.

A text is the last five titles, the item, and the template teacher's rationale, for each user's last
training item and two others. Before means float32; now means what the processor multiplies
fastest.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from benchkit.data import sources
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec
from benchkit.fingerprint import package_versions
from benchkit.lm.teachers.encoder import MiniLMEncoder, fastest_precision
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.lm.teachers.template import TemplateTeacher

_PACKAGES = ("torch", "transformers", "sentence_transformers")


def calibrator_texts(limit: int | None) -> list[str]:
    """Return what C-APO embeds, of so many users."""
    spec = DatasetSpec(name="ml-100k", source="ml-100k")
    view = prepare_dataset(sources.read_source("ml-100k", {}), spec).train_view()
    questions = build_training_questions(view, negatives=2, limit=limit)
    texts = []
    rationales = TemplateTeacher().write(questions, view.catalog)
    for question, rationale in zip(questions, rationales, strict=True):
        title = view.catalog.text
        history = "; ".join(title(event.item) or event.item for event in question.history[-5:])
        texts.append(f"{history} | {title(question.item)} | {rationale.text}")
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit-users", type=int, help="all by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        texts = calibrator_texts(options.limit_users)
        encoders = {"before": MiniLMEncoder(), "now": MiniLMEncoder(fastest_precision())}
        seconds: dict[str, list[float]] = {name: [] for name in encoders}
        vectors = {}
        for _ in range(options.repeats):
            for name, encoder in encoders.items():
                start = time.perf_counter()
                vectors[name] = encoder.encode(texts)
                seconds[name].append(round(time.perf_counter() - start, 2))
    best = {name: min(values) for name, values in seconds.items()}
    figures = {
        "texts": len(texts),
        "threads": options.threads,
        "precision": encoders["now"].precision,
        "seconds": best,
        "ratio": round(best["before"] / best["now"], 2),
        "least cosine": round(float((vectors["before"] * vectors["now"]).sum(axis=1).min()), 5),
        "versions": package_versions(_PACKAGES),
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
