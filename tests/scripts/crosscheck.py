"""Score the same ranked lists with benchkit and with other libraries; write figures and a page.

    python tests/scripts/crosscheck.py --python RecTools=/envs/rectools/bin/python ...

Each library runs in the Python that is named for it, by default in this one; none may lack. Writes
leaderboards/crosscheck/crosscheck.json and docs/concepts/crosscheck.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support import crosscheck, crosscheck_page  # noqa: E402

RECORD = ROOT / "leaderboards" / "crosscheck" / "crosscheck.json"
PAGE = ROOT / "docs" / "concepts" / "crosscheck.md"


def ask(library, python, lists):
    """Return what a library says of the lists."""
    script = Path(__file__).with_name("crosscheck_sides.py")
    done = subprocess.run(
        [python, str(script), library, str(lists)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{library}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", default=[], metavar="LIBRARY=PYTHON")
    pythons = dict(pair.split("=", 1) for pair in parser.parse_args().python)
    sets = crosscheck.draw_lists()
    with tempfile.TemporaryDirectory() as folder:
        lists = Path(folder) / "lists.json"
        lists.write_text(json.dumps(sets), encoding="utf-8")
        libraries = {
            name: ask(name, pythons.get(name, sys.executable), lists)
            for name in crosscheck_page.LIBRARIES
        }
    ours = {
        title: crosscheck.measure_ours(sets[title], metrics)
        for title, metrics in crosscheck.SETS.items()
    }
    record = {
        "users": crosscheck.N_USERS, "items": crosscheck.N_ITEMS, "seed": crosscheck.SEED,
        "benchkit": ours, "libraries": libraries,
    }  # fmt: skip
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page = crosscheck_page.render(record, crosscheck.SETS, crosscheck.N_USERS, crosscheck.N_ITEMS)
    PAGE.write_text(page, encoding="utf-8")
    print(RECORD, PAGE)


if __name__ == "__main__":
    main()
