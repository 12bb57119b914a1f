"""Suites whose methods and judges ask a server."""

from benchkit.runs.store import Store
from tests.support.openai_server import Edit, Status

USERS, ITEMS = 60, 20
OVERLOADED = Edit(lambda _: {"error": {"message": "model overloaded", "code": 503}})
TOO_LONG = Status(400, body={"error": {"message": "maximum context length is 128 tokens"}})


def list_candidates(text, number, seed, backwards=False):
    """The candidates of a prompt as a numbered list, with a reason; a verdict for a judge."""
    if "<eval>" in text:
        return "It fits. <eval>RATING-2</eval>"
    titles = text.partition("Candidates:\n")[2].partition("\n\n")[0].split("\n")
    titles = titles[::-1] if backwards else titles
    lines = [f"{place}. {title}" for place, title in enumerate(titles, 1)]
    return "\n".join([*lines, "Reason: it fits what was chosen before."])


def zero_shot(suite):
    """The text of a suite with another method."""
    return suite.replace("chat-rec", "zero-shot").replace("retrieve = 0, ", "")


def write_suite(folder, url, engine="", head="", judge=False):
    ratings = ["user,item,rating,timestamp"]
    for user in range(USERS):
        for place in range(6):
            item = (user * 7 + place * 3) % ITEMS
            ratings.append(f"u{user},i{item},{1 + (user + place) % 5},{1600000000 + place}")
    (folder / "r.csv").write_text("\n".join(ratings) + "\n")
    items = ["item,title", *(f"i{item},Thing {item}" for item in range(ITEMS))]
    (folder / "i.csv").write_text("\n".join(items) + "\n")
    settings = f'kind = "openai", base_url = "{url}", model = "m", max_retries = 0, concurrency = 1'
    judging = f"""
[judging]
cases = 50
answers = "scored"
judges = [{{ judge = "llm", config = {{ engine = {{ {settings} }}, retries = 0 }} }}]
"""
    path = folder / "shop.toml"
    path.write_text(f"""
title = "Shop"
protocols = ["scored"]
{head}
[[datasets]]
name = "shop"
source = "table"
options = {{ interactions = "r.csv", items = "i.csv" }}
candidates = {{ count = 5 }}
[[methods]]
method = "chat-rec"
config = {{ backbone = "m", retrieve = 0, engine = {{ {settings}{engine and ", "}{engine} }} }}
{judging * judge}""")
    return path


def manifest(folder):
    (run,) = Store(folder / "runs").runs()
    return run.manifest()
