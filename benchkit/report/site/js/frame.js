// Wide tables: they scroll in a frame that shows where there is more, and nothing fixed hides the focus.

const OUTLINE = 4; // pixels around what has the focus

function whenSized(tell, ...elements) {
  const observer = new ResizeObserver(tell);
  elements.forEach((element) => observer.observe(element));
}

/** `table` in a region that scrolls sideways. */
function scrolling(label, table) {
  const region = el("div", { class: "scroll", role: "region", "aria-label": label, tabindex: 0 }, table);
  const frame = el("div", { class: "frame" }, region);
  markMore(region);
  return frame;
}

/** Have the frame of a region show whether there is more before and after what is seen of it. */
function markMore(region) {
  const frame = region.parentElement, fade = el("span", { class: "fade", "aria-hidden": "true" });
  frame.append(fade);
  const mark = () => {
    const { scrollLeft, scrollWidth, clientWidth, clientHeight, clientTop } = region;
    frame.classList.toggle("before", scrollLeft > 1);
    frame.classList.toggle("after", scrollWidth - clientWidth - scrollLeft > 1);
    // Scroll bars stay clear. Custom properties would do, but have every cell styled again.
    fade.style.right = `${region.offsetWidth - clientWidth}px`;
    fade.style.bottom = `${region.offsetHeight - clientHeight - clientTop}px`;
  };
  region.addEventListener("scroll", mark, { passive: true });
  whenSized(mark, region, region.firstElementChild);
}

/** Tell the style how much the bar covers. */
function measureBar() {
  const bar = byId("bar");
  let covered = 0;
  whenSized(() => {
    if (bar.offsetHeight === covered) return;
    covered = bar.offsetHeight;
    document.documentElement.style.setProperty("--below", `${covered}px`);
  }, bar);
}

/** Bring a column of the table into view, beside the columns that stay. */
function showColumn(head) {
  if (!head || head.matches(".box, .method")) return;
  const region = byId("results"), { left, right, width } = head.getBoundingClientRect();
  const from = byId("table").tHead.querySelector(".method").getBoundingClientRect().right;
  const seen = left >= from && right <= region.getBoundingClientRect().right;
  if (width && !seen) region.scrollLeft += left - from;
}

const showSorted = () => showColumn(byId("table").tHead.querySelector("[aria-sort]"));

/** Browsers take what lies under the head, or under columns that stay, for visible. (What the mouse
 * is on must not move, or the click is lost.) */
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
