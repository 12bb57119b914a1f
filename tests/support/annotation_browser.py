"""What tests of the annotation page do in a browser, and what they ask it."""

import csv

from benchkit.judging.annotation.batch import make_batch
from benchkit.judging.annotation.population import collect_population, find_judgements
from tests.support.annotation_store import make_store

# Elements with visible text whose contrast is below 4.5 to 1.
CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return rgb(getComputedStyle(document.body).backgroundColor);
  };
  const low = [];
  for (const e of document.body.querySelectorAll("*")) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.checkVisibility() || e.closest(":disabled, .skip-link, .hidden")) continue;
    const [a, b] = [rgb(getComputedStyle(e).color), ground(e)].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push([e.tagName, e.className, e.textContent.slice(0, 20), ratio]);
  }
  return low;
}"""
# Controls that a screen reader would have no name for.
UNNAMED = """() => [...document.querySelectorAll("button, input, textarea, progress, dialog")]
  .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label")
    || e.getAttribute("aria-labelledby"))).map((e) => e.outerHTML)"""


def make_page(folder, rubric, text, cases=4):
    """A batch for one annotator: (its key, the address of the page)."""
    make_store(folder / "runs", {("toys", "a"): [1, 2, 3] * cases}, rubric=rubric, text=text)
    population = collect_population(find_judgements([folder / "runs"], "plum"))
    key = make_batch(population, cases, 1)
    key.write(folder)
    return key.key, (folder / "annotator-1.html").as_uri()


def begin(page, name="Ann"):
    page.fill("#name", name)
    page.keyboard.press("Enter")
    return page


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def selected_grades(page):
    return [int(value) for value in page.eval_on_selector_all(
        "#grades input:checked", "found => found.map((input) => input.value)")]  # fmt: skip


def heading(page):
    return page.locator("#heading").inner_text()


def count(page):
    return page.locator("#count").inner_text()


def message(page):
    return page.locator("#message:visible").inner_text()  # waits for it


def export_csv(page, path, button="#export"):
    with page.expect_download() as download:
        page.click(button)
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return download.value.suggested_filename, list(csv.DictReader(file))
