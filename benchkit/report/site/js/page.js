// Putting it together: one state, drawn again where it changed.

let current = null;

function set(changes) {
  const next = valid({ ...current, ...changes });
  try {
    history.replaceState(null, "", address(next));
  } catch { /* opened where addresses cannot change: the state holds for this visit */ }
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
  if (differ(before, next, OF_PANEL)) drawPanel(next);
}

function drawPanel(state) {
  const panel = byId("panel");
  const pair = state.compare && state.ticked.length === 2;
  if (state.open === null && !pair) {
    if (panel.open) panel.close();
    return;
  }
  if (state.open !== null) openRow(state);
  else openComparison(state);
  byId("panel-body").scrollTop = 0;
  if (!panel.open) panel.showModal();
  byId("panel-title").focus();
}

listenToControls();
byId("bar-compare").addEventListener("click", () => set({ compare: true }));
byId("bar-clear").addEventListener("click", () => {
  set({ ticked: [], compare: false });
  byId("results").focus();
  announce();
});
byId("panel-close").addEventListener("click", () => byId("panel").close());
byId("panel").addEventListener("close", () => set({ open: null, compare: false }));
byId("panel").addEventListener("click", (event) => {
  if (event.target === event.currentTarget) event.currentTarget.close(); // the backdrop
});
addEventListener("hashchange", () => show(readAddress()));
if (INDEX.tables.length) show(readAddress());
else byId("caption").textContent = "There is nothing to show yet.";
