"""How long the leaderboard page takes: to make, and to load in headless Chromium.

60 methods x 8 tasks x 20 metrics by default. Medians of several visits, from the start of the
navigation to the end of DOMContentLoaded (the table is then in the document) and to its first
frame; `sort_ms` is from a click on a header to the next frame.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchkit.report.core.collect import collect_results
from tests.support.result_store import make_store, write_page

VISITS = 7
_DRAWN = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
  const [entry] = performance.getEntriesByType("navigation");
  const rows = document.querySelectorAll("#table tbody tr").length;
  done([performance.now(), entry.domContentLoadedEventEnd, rows]);
})))"""


def visits(path: Path, fragment: str, rows: int) -> dict[str, float]:
    """Median milliseconds of loading the page in fresh contexts."""
    from playwright.sync_api import sync_playwright

    parsed, drawn, sorting = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--headless", "--no-sandbox", "--disable-gpu"],
        )
        for _ in range(VISITS):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.goto(path.as_uri() + fragment, wait_until="domcontentloaded")
            shown, loaded, found = page.evaluate(_DRAWN)
            assert found == rows + 1, found
            parsed.append(loaded)
            drawn.append(shown)
            start = page.evaluate("performance.now()")
            page.evaluate("document.querySelector('th[data-name] button').click()")
            sorting.append(page.evaluate(_DRAWN)[0] - start)
            context.close()
        browser.close()
    figures = {"content_loaded_ms": parsed, "painted_ms": drawn, "sort_ms": sorting}
    return {name: round(statistics.median(values), 1) for name, values in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = make_store(
            root / "runs",
            [f"method-{i}" for i in range(options.methods)],
            [f"task-{i}" for i in range(options.tasks)],
            [f"hr@{i + 1}" for i in range(options.metrics)],
            options.users,
            text="The history has many green teas; what comes next is one of them. " * 6,
        )
        start = time.perf_counter()
        results = collect_results(store, "made")
        collected = time.perf_counter()
        path = write_page(results, store, root / "page")
        figures: dict[str, object] = {
            "methods": options.methods, "tasks": options.tasks, "metrics": options.metrics,
            "users": options.users,
            "collect_seconds": round(collected - start, 2),
            "write_seconds": round(time.perf_counter() - collected, 2),
            "megabytes": round(path.stat().st_size / 1e6, 2),
            "first_columns": visits(path, "#task=task-0", options.methods),
            "all_columns": visits(
                path,
                "#" + "&".join(f"col=hr%40{i + 1}" for i in range(options.metrics)),
                options.methods,
            ),
            "overview": visits(path, "#view=overview", options.methods),
        }  # fmt: skip
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
