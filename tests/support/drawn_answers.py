"""An engine in a file, as a user would write it: it draws answers, and notes what it is asked."""

ENGINE = '''
import os, signal, time
from pathlib import Path
from benchkit import seeds
from benchkit.lm.types import Completion, EngineSettings, Generation


class DrawsConfig(EngineSettings):
    marks: str  # a folder: `asked` has a line a prompt; whoever finds `kill` there is killed
    wait: bool = False  # until there is `go`
    breaks_at: str = ""  # the key of a prompt
    model: str = "some-model"


class Draws:
    """Grades by a random number for the prompt."""

    Config = DrawsConfig
    can_score = can_constrain = False

    def __init__(self, config):
        self.marks, self.wait = Path(config.marks), config.wait
        self.breaks_at = config.breaks_at

    @classmethod
    def from_config(cls, config, load_backbone, cache_dir):
        return cls(config)

    def generate(self, prompts, decoding):
        (self.marks / f"process-{os.getpid()}").touch()
        while self.wait and not (self.marks / "go").exists():
            time.sleep(0.02)
        for prompt in prompts:
            if prompt.key == self.breaks_at:
                1 / 0
            try:
                (self.marks / "kill").unlink()
            except FileNotFoundError:
                with (self.marks / "asked").open("a") as file:
                    file.write(f"{prompt.key}\\\\n")
            else:
                os.kill(os.getpid(), signal.SIGKILL)
            drawn = seeds.generator("grade", decoding.seed, prompt.key).integers(1, 6, 4)
            names = ("grounding", "specificity", "faithfulness", "persuasiveness")
            grades = " ".join(f"{name}-{grade}" for name, grade in zip(names, drawn))
            yield Generation((Completion(f"<eval>{grades}</eval>", "stop", 5),))

    def score(self, prompts, continuations, end=True):
        raise ArithmeticError("these answers are drawn, not scored")

    def count_tokens(self, text):
        return len(text.split())
'''.replace("\\\\n", "\\n")


def questions(marks):
    """What was asked, a line each."""
    path = marks / "asked"
    return path.read_text().splitlines() if path.exists() else []


def processes(marks):
    """The ids of the processes that were asked."""
    return {int(path.name.partition("-")[2]) for path in marks.glob("process-*")}
