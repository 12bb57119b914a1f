// The page as a whole: one state; what changed is drawn again.

let current = null;

function set(changes) {
  const next = valid({ ...current, ...changes });
  try {
    // An open panel has its own history entry, so that going back closes it.
    if (isOpen(next) && !isOpen(current)) history.pushState({ panel: true }, "", address(next));
    else history.replaceState(history.state, "", address(next));
  } catch { /* the address cannot change here: the state lasts for this visit */ }
  show(next);
}

const OF_HEAD = ["all", "task", "protocol", "part", "metric", "columns"];
const OF_BODY = ["sort", "dir", "query", "families"];
const OF_PANEL = ["open", "compare", "ticked", "task", "protocol"];
const differ = (a, b, names) =>
  !a || names.some((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));

function show(next) {
  const before = current;
  current = next;
  const head = differ(before, next, OF_HEAD);
  if (head || differ(before, next, OF_BODY)) {
    const view = currentView(next), columns = shownColumns(view, next);
    drawControls(next, view);
    if (head) drawHead(view, columns);
    markSorted(view, next);
    drawBody(view, columns, next);
  }
  markTicked(next);
  if (head || differ(before, next, ["sort"])) showSorted();
  if (differ(before, next, OF_PANEL)) drawPanel(next);
}

function drawPanel(state) {
  const panel = byId("panel");
  if (!isOpen(state)) {
    if (panel.open) panel.close();
    return;
  }
  if (state.open !== null) openRow(state);
  else openComparison(state);
  byId("panel-body").scrollTop = 0;
  if (!panel.open) panel.showModal();
  byId("panel-title").focus();
}

/** Update the state after the panel closed, and leave its history entry. */
function panelClosed() {
  if (!isOpen(current)) return;
  if (!history.state?.panel) {
    set({ open: null, compare: false });
    return;
  }
  show(valid({ ...current, open: null, compare: false }));
  history.back();
}

listenToControls();
measureBar();
markMore(byId("results"));
byId("table").addEventListener("focusin", showFocused);
byId("table").addEventListener("keydown", ({ key, target }) => {
  if (key === "Enter" && target.checked) set({ compare: true });
});
byId("bar-compare").addEventListener("click", () => set({ compare: true }));
byId("bar-clear").addEventListener("click", () => {
  set({ ticked: [], compare: false });
  byId("results").focus();
  announce();
});
byId("panel-close").addEventListener("click", () => byId("panel").close());
byId("panel").addEventListener("close", panelClosed);
byId("panel").addEventListener("click", (event) => {
  if (event.target === event.currentTarget) event.currentTarget.close(); // the backdrop
});
addEventListener("hashchange", () => show(readAddress()));
if (INDEX.tables.length) show(readAddress());
else byId("caption").textContent = "There is nothing to show yet.";
