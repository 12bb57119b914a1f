// Wide tables scroll in a frame that fades where there is more; nothing fixed hides the focus.

const OUTLINE = 4; // pixels around the focused element

function whenSized(callback, ...elements) {
  const observer = new ResizeObserver(callback);
  elements.forEach((element) => observer.observe(element));
}

/** `table` in a region that scrolls sideways. */
function scrolling(label, table) {
  const region = el("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 }, table);
  const frame = el("div", { class: "frame" }, region);
  markMore(region);
  return frame;
}

/** Show at the edges of a region's frame whether it scrolls further in that direction. */
function markMore(region) {
  const frame = region.parentElement, fade = el("span", { class: "fade", "aria-hidden": "true" });
  frame.append(fade);
  const mark = () => {
    const { scrollLeft, scrollWidth, clientWidth, clientHeight, clientTop } = region;
    frame.classList.toggle("before", scrollLeft > 1);
    frame.classList.toggle("after", scrollWidth - clientWidth - scrollLeft > 1);
    // Keep scroll bars uncovered. Custom properties would work, but restyle every cell.
    fade.style.right = `${region.offsetWidth - clientWidth}px`;
    fade.style.bottom = `${region.offsetHeight - clientHeight - clientTop}px`;
  };
  region.addEventListener("scroll", mark, { passive: true });
  whenSized(mark, region, region.firstElementChild);
}

/** Pass the height of the comparison bar to the style sheet. */
function measureBar() {
  const bar = byId("bar");
  let covered = 0;
  whenSized(() => {
    if (bar.offsetHeight === covered) return;
    covered = bar.offsetHeight;
    document.documentElement.style.setProperty("--below", `${covered}px`);
  }, bar);
}

/** Scroll a column of the table into view, next to the fixed columns. */
function showColumn(head) {
  if (!head || head.matches(".box, .method")) return;
  const region = byId("results"), { left, right, width } = head.getBoundingClientRect();
  const from = byId("table").tHead.querySelector(".method").getBoundingClientRect().right;
  const seen = left >= from && right <= region.getBoundingClientRect().right;
  if (width && !seen) region.scrollLeft += left - from;
}

const headOf = (name) =>
  [...byId("table").tHead.rows[0].cells].find((head) => head.dataset.name === name);

const showSorted = () => showColumn(byId("table").tHead.querySelector("[aria-sort]"));

/** Scroll the focus out from under the fixed head and columns, which browsers do not consider.
 * Only for keyboards: if an element moves under the mouse, the click is lost. */
function showFocused({ target }) {
  if (!target.matches(":focus-visible")) return;
  const head = byId("table").tHead.querySelector(".method");
  if (head.parentElement.contains(target)) {
    showColumn(target.closest("th"));
    return;
  }
  const covered = head.getBoundingClientRect().bottom + OUTLINE - target.getBoundingClientRect().top;
  if (covered > 0) byId("results").scrollTop -= covered;
}
