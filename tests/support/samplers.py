"""Small samplers for tests, in a file as `conftest.METHODS` are."""

SAMPLERS = '''

from benchkit.types import Sample


class Samples(Base):
    """Draws the candidates with the shortest ids; every fifth answer is cut off."""

    capabilities = frozenset({"scores", "samples", "cold_users"})

    def sample(self, requests, run):
        n = int(run.decoding["n"])
        for request in requests:
            draws = run.generator("samples", request.case_id).integers(0, 4, n)
            items = sorted(request.candidates)
            yield Prediction(
                request.case_id,
                None,
                tuple(self.answer(items[draw], place) for place, draw in enumerate(draws)),
                usage={"completion_tokens": 7 * n},
            )

    def predict(self, requests, run):
        for prediction in super().predict(requests, run):
            yield Prediction(
                prediction.case_id, prediction.scores, rationale="short", usage={"seconds": 0.5}
            )

    def answer(self, item, place):
        if place == 4:
            return Sample("It is", None, None, "truncated")
        return Sample(f"It is {item}", item, "because", "ok")


class OnlySamples(Samples):
    capabilities = frozenset({"samples"})

    def predict(self, requests, run):
        raise AssertionError("nobody asks for scores")


class Distinct(Samples):
    """Knows nothing and never repeats itself."""

    def sample(self, requests, run):
        for request in requests:
            order = run.generator("order", request.case_id).permutation(len(request.candidates))
            items = [sorted(request.candidates)[place] for place in order[: run.decoding["n"]]]
            samples = tuple(Sample(item, item, None, "ok") for item in items)
            yield Prediction(request.case_id, None, samples)


class Unasked(Samples):
    """Cannot ask every second case."""

    def sample(self, requests, run):
        for prediction in super().sample(requests, run):
            odd = int(prediction.case_id[-1]) % 2
            yield Prediction(prediction.case_id, None, (), status="refused") if odd else prediction


class TooFewSamples(Samples):
    def sample(self, requests, run):
        for prediction in super().sample(requests, run):
            yield Prediction(prediction.case_id, None, prediction.samples[1:])


class Outsider(Samples):
    def answer(self, item, place):
        return Sample("nothing", "nobody's", None, "ok")


class NoText(Samples):
    def answer(self, item, place):
        return Sample(None, item, None, "ok")


class NoItem(Samples):
    def answer(self, item, place):
        return Sample("what?", None, None, "ok")


class OddStatus(Samples):
    def answer(self, item, place):
        return Sample("what?", None, None, "odd")


class NoSample(Samples):
    def answer(self, item, place):
        return item


class WrongOrder(Samples):
    def sample(self, requests, run):
        return super().sample(requests[::-1], run)


class Unwritten(Base):
    capabilities = frozenset({"scores", "samples"})


class Mute(Base):
    capabilities = frozenset()


class Short(Base):
    capabilities = frozenset({"scores", "candidates_only"})


class Decoded(Base):
    """Scores that show what decoding it is given."""

    def scores(self, request, run):
        return [float(run.decoding["max_tokens"])] * len(request.candidates)


class Sees(Samples):
    """What it can do and what is to be said of it is known from its configuration."""

    class Config(BaseModel, extra="forbid", frozen=True):
        engine: str = "server"

    def __init__(self, config):
        self.capabilities = frozenset({"samples"} if config.engine == "server" else {"scores"})
        self.caveats = (f"backbone {config.engine}: tiny_1", "5% | shared")

    def fit(self, data, run):
        assert run.cache.is_dir() and run.cache != run.scratch
        (run.cache / "a" / "b" / "c" / "d").mkdir(parents=True)
        (run.cache / "plan.json").write_text("{}")
        (run.cache / "a" / "b" / "c" / "manifest.json").write_text("{}")


class Remarked(Samples):
    caveats = ("5% | shared",)


class Breaks(Base):
    def __init__(self):
        raise ZeroDivisionError("no")
'''
