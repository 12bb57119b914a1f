"""What a test server answers with: a tiny model of transformers, or plain text without one."""

import threading
from dataclasses import dataclass
from typing import Any


@dataclass
class Drawn:
    """One generated text. logprobs: of each generated token."""

    text: str
    ids: list[int]
    finish: str
    logprobs: list[float]


class EchoBackend:
    """Answers without a model: the last words of the prompt, or what `reply` makes of them."""

    def __init__(self, tokenizer: Any = None, reply=None) -> None:
        self.tokenizer = tokenizer
        self.reply = reply or (lambda text, number, seed: f"{text.split()[-1]}-{number}-{seed}")

    def chat_ids(self, body: dict[str, Any]) -> Any:
        return body["messages"][-1]["content"]

    def text_ids(self, text: str) -> Any:
        return text

    def draw(self, prompt: Any, number: int, body: dict[str, Any]) -> Drawn:
        text = prompt if isinstance(prompt, str) else self.tokenizer.decode(prompt)
        said = self.reply(text, number, body.get("seed"))
        return Drawn(said, [7] * len(said.split()), "stop", [-1.0] * len(said.split()))

    def logprobs(self, ids: list[int]) -> list[float | None]:
        """Minus a hundredth of each id."""
        return [None, *(-i / 100 for i in ids[1:])]


class ModelBackend:
    """A causal model and its tokenizer, one request at a time."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.ends = {tokenizer.convert_tokens_to_ids("<|im_end|>"), tokenizer.eos_token_id}
        self._lock = threading.Lock()

    def chat_ids(self, body: dict[str, Any]) -> list[int]:
        last = body.get("continue_final_message", False)
        return self.tokenizer.apply_chat_template(
            body["messages"],
            add_generation_prompt=body.get("add_generation_prompt", True),
            continue_final_message=last,
            tokenize=True,
            return_dict=False,
        )

    def text_ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)

    def _next(self, ids: list[int]) -> Any:
        """[len(ids), vocabulary] log-probabilities."""
        import torch

        with torch.inference_mode():
            logits = self.model(input_ids=torch.tensor([ids])).logits[0].float()
        return torch.log_softmax(logits, dim=-1)

    def draw(self, prompt: list[int], number: int, body: dict[str, Any]) -> Drawn:
        import torch

        temperature, stops = body.get("temperature", 1.0), body.get("stop") or []
        dice = torch.Generator().manual_seed((body.get("seed") or 0) + number)
        ids: list[int] = []
        logprobs: list[float] = []
        finish = "length"
        with self._lock:
            while len(ids) < body.get("max_tokens", 16):
                row = self._next([*prompt, *ids])[-1]
                if temperature:
                    p = torch.softmax(row / temperature, dim=-1)
                    token = int(torch.multinomial(p, 1, generator=dice))
                else:
                    token = int(row.argmax())
                ids.append(token)
                logprobs.append(float(row[token]))
                text = self.tokenizer.decode(ids, skip_special_tokens=True)
                if token in self.ends or any(s in text for s in stops):
                    finish = "stop"
                    break
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        cut = min((text.index(s) for s in stops if s in text), default=len(text))
        return Drawn(text[:cut], ids, finish, logprobs)

    def logprobs(self, ids: list[int]) -> list[float | None]:
        with self._lock:
            table = self._next(ids)
        return [None, *(float(table[t - 1, i]) for t, i in enumerate(ids) if t)]
