"""How many tokens does vLLM compute to score candidates, and how long does it take?

    python tests/scripts/served_scoring.py --vllm-python /path/to/venv/bin/python

The venv has vLLM, as for vllm_parity.py; this Python has transformers, peft and openai. A small
random Qwen3 with a low-rank adapter is made. Candidates of one prompt are scored with the prompt
computed once, then with it computed for each of them, in the same process: by vLLM in process, by
`vllm serve --enable-scale-out`, and by one without. Computed tokens are vLLM's own count
(`vllm:prompt_tokens_by_source`, local_compute); log-probabilities are compared with the hf engine.
Prints a table, writes JSON, and ends with 1 where something differs.
"""

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from benchkit.lm import tokenization  # noqa: E402
from benchkit.lm.types import ContinuationScores, Engine, Message, Prompt  # noqa: E402
from tests.scripts.vllm_parity import end, environment, start, wait  # noqa: E402
from tests.support.titled_model import make, titles  # noqa: E402

TOLERANCE = 1e-3
LIMITS = {"dtype": "float32", "max_model_len": 4096}
CANDIDATES = 30
SIZES = (2048, 2079)  # tokens of a prompt; the second is the worst for blocks of 32 tokens
OUT = ROOT / "leaderboards" / "benchmarks" / "served_scoring.json"
METRIC = "vllm:prompt_tokens_by_source"


def questions(folder: Path) -> tuple[list[Prompt], list[list[str]]]:
    """Prompts of SIZES tokens and candidates, some of which begin alike; one before warms up."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts, candidates = [], []
    for number, size in enumerate((SIZES[0], *SIZES)):
        draw = random.Random(number)
        text = "\n".join(titles(size // 5, draw))
        prompt = Prompt(f"p{number}", (Message("user", text),))
        while len(tokenization.prompt_ids(tokenizer, prompt)) > size:
            text = text[:-1]
            prompt = Prompt(f"p{number}", (Message("user", text),))
        assert len(tokenization.prompt_ids(tokenizer, prompt)) == size
        prompts.append(prompt)
        drawn = titles(CANDIDATES - 6, draw)
        candidates.append(
            drawn + [f"{drawn[i]} {part}" for i in (0, 1) for part in ("I", "II", "In")]
        )
    return prompts, candidates


def reference(base: Path, adapter: Path | None, asked: Any) -> list[list[float]]:
    """Log-probabilities by the hf engine."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from benchkit.lm.engines.hf import HFEngine

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = peft.PeftModel.from_pretrained(model, adapter)
    engine = HFEngine(model, AutoTokenizer.from_pretrained(base))
    return [logprobs(scores) for scores in engine.score(*asked)]


def logprobs(scores: ContinuationScores) -> list[float]:
    if scores.logprobs is None:
        raise SystemExit(f"a prompt could not be scored: {scores.fault}")
    values: list[float] = scores.logprobs.tolist()
    return values


def measure(
    engine: Engine, other: Engine, former: Engine, asked: Any, computed: Any
) -> list[dict[str, Any]]:
    """Score each prompt in the new way, in it again (reversed), and in the former way.

    The former way reads no cache, so it does not gain from coming last. other: an engine that does
    not know the answers of the first. computed: returns vLLM's count of computed tokens.
    """
    results: list[dict[str, Any]] = []
    for prompt, texts in zip(*asked, strict=True):
        row: dict[str, Any] = {}
        for name, way, options in (
            ("shared", engine, texts), ("again", other, texts[::-1]), ("separate", former, texts)
        ):  # fmt: skip
            before, begun = computed(), time.perf_counter()
            [scores] = way.score([prompt], [options])
            seconds = time.perf_counter() - begun
            row[name] = {
                "seconds": seconds,
                "tokens": computed() - before,
                "logprobs": logprobs(scores)[:: -1 if name == "again" else 1],
            }
        row["counts"] = scores.token_counts.tolist()
        results.append(row)
    return results[1:]  # the first was for warming up


class Former:
    """An engine in the former way, with one that is loaded already."""

    def __init__(self, engine: Any) -> None:
        from benchkit.lm.engines.vllm_scoring import VLLMScorer

        self.engine = engine
        run = engine._scorer.run
        self.scorer = VLLMScorer(run, engine.config.batch, "for comparison")
        self.scorer._checked_sizes = {1, 2}

    def score(self, prompts: Any, continuations: Any) -> Any:
        tokenizer = self.engine._tokenizer
        rows = (
            (
                tokenization.prompt_ids(tokenizer, prompt),
                [tokenization.continuation_ids(tokenizer, text, True) for text in texts],
            )
            for prompt, texts in zip(prompts, continuations, strict=True)
        )
        return self.scorer.score(rows)


def worker(spec: Path, out: Path) -> None:
    """Measure vLLM in this process; runs where vLLM is."""
    from benchkit.lm.engines.vllm import VLLMConfig, VLLMEngine

    asked = read_questions(spec)
    settings = json.loads(spec.read_text())
    options = {"enforce_eager": True, "disable_log_stats": False}
    config = VLLMConfig(
        model=settings["model"], lora=settings["adapter"], options=options, **LIMITS
    )
    engine = VLLMEngine(config)

    def computed() -> int:
        return sum(
            metric.value
            for metric in engine._llm.get_metrics()
            if metric.name == METRIC and metric.labels["source"] == "local_compute"
        )

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="vLLM computes each prompt anew")
        rows = measure(engine, engine, Former(engine), asked, computed)
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    versions |= {"vllm": engine._vllm.__version__}
    out.write_text(json.dumps({"rows": rows, "versions": versions}))


def write_questions(path: Path, asked: Any, **settings: Any) -> None:
    prompts, candidates = asked
    texts = [prompt.messages[0].content for prompt in prompts]
    path.write_text(json.dumps({"texts": texts, "candidates": candidates} | settings))


def read_questions(path: Path) -> tuple[list[Prompt], list[list[str]]]:
    values = json.loads(path.read_text())
    prompts = [Prompt(f"p{i}", (Message("user", t),)) for i, t in enumerate(values["texts"])]
    return prompts, values["candidates"]


def in_process(python: str, base: Path, adapter: Path | None, asked: Any, work: Path) -> Any:
    """The rows of vLLM in process, and the versions of packages there."""
    spec, out = work / "spec.json", work / "out.json"
    place = None if adapter is None else str(adapter)
    write_questions(spec, asked, model=str(base), adapter=place)
    command = [python, __file__, "--worker", str(spec), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode:
        raise SystemExit("vLLM in process failed:\n" + (done.stdout + done.stderr)[-6000:])
    values = json.loads(out.read_text())
    return values["rows"], values["versions"]


def served(
    python: str,
    base: Path,
    name: str,
    adapter: Path | None,
    asked: Any,
    work: Path,
    flags: list[str],
) -> list[dict[str, Any]]:
    """The rows of `vllm serve` with these flags, for one of the models that it serves."""
    from benchkit.lm.engines.openai.config import OpenAIConfig
    from benchkit.lm.engines.openai.engine import OpenAIEngine

    if adapter is not None:
        # See VLLMEngine: on a CPU several requests at once end a server with an adapter.
        flags = [*flags, "--enable-lora", "--lora-modules", f"{name}={adapter}"]
        flags += ["--max-num-seqs", "1"]
    log = work / "serve.log"
    limits = LIMITS | {"block_size": 32}
    process, address = start(python, base, log, limits, ["--enforce-eager", *flags])

    def computed() -> float:
        with urllib.request.urlopen(f"{address}/metrics", timeout=30) as reply:
            lines = reply.read().decode().splitlines()
        return sum(float(x.split()[-1]) for x in lines if METRIC in x and "local_compute" in x)

    try:
        wait(process, address, log, 600)
        engines = []
        for number, scoring in enumerate(("prefix_cache", "prefix_cache", "prompt_logprobs")):
            config = OpenAIConfig(
                base_url=f"{address}/v1", model=name, server="vllm", api="completions",
                tokenizer=str(base), scoring=scoring, api_key_env="",
            )  # fmt: skip
            engines.append(OpenAIEngine(config, work / f"{name}-{number}-{len(flags)}"))
        rows = measure(*engines, asked, computed)
        print(name, *flags, "by", engines[0]._scorer._ways)
    finally:
        end(process)
    return rows


def summarise(
    route: str, rows: list[dict[str, Any]], expected: list[list[float]]
) -> dict[str, Any]:
    """One row of the table."""
    needed = [size + sum(row["counts"]) for size, row in zip(SIZES, rows, strict=True)]
    ratios = [row["shared"]["tokens"] / n for row, n in zip(rows, needed, strict=True)]
    speedups = [row["separate"]["seconds"] / row["shared"]["seconds"] for row in rows]
    difference = max(
        abs(a - b)
        for row, values in zip(rows, expected, strict=True)
        for name in ("shared", "again", "separate")
        for a, b in zip(row[name]["logprobs"], values, strict=True)
    )
    return {
        "route": route,
        "prompt_tokens": list(SIZES),
        "candidate_tokens": [sum(row["counts"]) for row in rows],
        "tokens_shared": [row["shared"]["tokens"] for row in rows],
        "tokens_separate": [row["separate"]["tokens"] for row in rows],
        "seconds_shared": [row["shared"]["seconds"] for row in rows],
        "seconds_separate": [row["separate"]["seconds"] for row in rows],
        "speedup": statistics.median(speedups),
        "computed_over_needed": max(ratios),
        "largest_difference": difference,
    }


def write(out: Path, results: list[dict[str, Any]], versions: dict[str, str]) -> None:
    """Write what has been measured so far; the head is of vLLM in process."""
    summary = {
        "what": f"{CANDIDATES} candidates of one prompt, vLLM on a CPU ({platform.machine()})",
        "speedup": results[0]["speedup"],
        "computed_over_needed": results[0]["computed_over_needed"],
        "largest_difference": max(row["largest_difference"] for row in results),
        "versions": versions,
        "rows": results,
    }
    out.write_text(json.dumps(summary, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vllm-python", help="a Python that has vLLM")
    parser.add_argument("--out", type=Path, default=OUT, help="where to write the JSON")
    parser.add_argument("--routes", nargs="*", help="measure these alone; others stay in the JSON")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.out)
        return 0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        base, adapter = make(work)
        asked = questions(base)
        expected = {place: reference(base, place, asked)[1:] for place in (None, adapter)}
        former = json.loads(options.out.read_text()) if options.routes else {}
        results = [row for row in former.get("rows", ()) if row["route"] not in options.routes]
        versions: dict[str, str] = former.get("versions", {})
        full = ["--enable-scale-out", "--enable-prompt-tokens-details"]
        for route, place, flags in (
            ("in process", None, None),
            ("served, scale-out", None, full),
            ("served", None, []),
            ("in process, adapter", adapter, None),
            ("served, scale-out, adapter", adapter, full),
        ):
            if options.routes and route not in options.routes:
                continue
            if flags is None:
                rows, versions = in_process(options.vllm_python, base, place, asked, work)
            else:
                model = "tiny" if place is None else "adapted"
                rows = served(options.vllm_python, base, model, place, asked, work, flags)
            results.append(summarise(route, rows, expected[place]))
            write(options.out, results, versions)
    print(f"{'route':28} {'tokens':>13} {'over needed':>12} {'speed-up':>9} {'difference':>11}")
    for row in results:
        tokens = f"{row['tokens_shared'][0]:.0f}/{row['tokens_separate'][0]:.0f}"
        print(
            f"{row['route']:28} {tokens:>13} {row['computed_over_needed']:>12.2f}"
            f" {row['speedup']:>9.1f} {row['largest_difference']:>11.1e}"
        )
    differences = [row["largest_difference"] for row in results]
    return 0 if max(differences) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
