// The form above the table.

function option(value, text, chosen) {
  return el("option", { value, selected: value === chosen }, text);
}

function tick(text, checked, change) {
  return el("label", { class: "tick" },
    el("input", { type: "checkbox", checked, onchange: (event) => change(event.target.checked) }),
    bdi(text));
}

function drawControls(state, view) {
  const tasks = [...new Set(INDEX.tables.map((table) => table.task))];
  byId("task").replaceChildren(
    ...tasks.map((task, i) => option(String(i), task, String(tasks.indexOf(state.task)))),
    ...(tasks.length > 1 ? [option("all", "All tasks", state.all ? "all" : "")] : []),
  );
  byId("protocol").replaceChildren(
    ...protocolsOf(state.task).map((name) =>
      option(name, titleOf(name), state.protocol)),
  );
  const parts = state.all ? [""] : partsOf(state.task, state.protocol);
  byId("part-label").hidden = parts.length < 2;
  byId("part").replaceChildren(...parts.map((part) => option(part, part || "all cases", state.part)));
  byId("metric-label").hidden = !state.all;
  if (state.all) {
    byId("metric").replaceChildren(
      ...[...metricsOf(state.protocol)].map(([name, title]) => option(name, title, state.metric)),
    );
  }
  if (byId("query").value !== state.query) byId("query").value = state.query;
  drawFamilies(state);
  drawColumns(state, view);
}

function drawFamilies(state) {
  const box = byId("families");
  box.hidden = INDEX.families.length < 2;
  if (box.querySelectorAll("input").length !== INDEX.families.length) {
    box.append(...INDEX.families.map((family) =>
      tick(family, false, (on) => set({ families: toggled(current.families, family, on) }))));
  }
  box.querySelectorAll("input").forEach((input, i) => {
    input.checked = state.families.includes(INDEX.families[i]);
  });
}

function drawColumns(state, view) {
  const details = byId("columns"), box = details.querySelector("fieldset");
  details.hidden = state.all;
  if (state.all) return;
  const shown = shownColumns(view, state).map((column) => column.name);
  byId("columns-summary").textContent = `Columns (${shown.length} of ${view.columns.length})`;
  const known = view.columns.map((column) => column.name).join("\n");
  if (box.dataset.known !== known) {
    box.dataset.known = known;
    box.replaceChildren(box.firstElementChild, ...view.columns.map((column) =>
      tick(column.title, false, (on) => {
        const now = shownColumns(currentView(current), current).map((c) => c.name);
        const next = toggled(now, column.name, on);
        set({ columns: next.length ? next : null });
        if (on) showColumn(headOf(column.name));
      })));
  }
  box.querySelectorAll("input").forEach((input, i) => {
    input.checked = shown.includes(view.columns[i].name);
  });
}

const toggled = (list, entry, on) => (on ? [...list, entry] : list.filter((other) => other !== entry));

function listenToControls() {
  const tasks = [...new Set(INDEX.tables.map((table) => table.task))];
  byId("task").addEventListener("change", ({ target }) => set(
    { all: target.value === "all", task: tasks[Number(target.value)] ?? null, columns: null, sort: null, dir: null }));
  byId("protocol").addEventListener("change", ({ target }) => set({ protocol: target.value }));
  byId("part").addEventListener("change", ({ target }) => set({ part: target.value }));
  byId("metric").addEventListener("change", ({ target }) => set({ metric: target.value }));
  byId("query").addEventListener("input", ({ target }) => set({ query: target.value }));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("controls").addEventListener("reset", (event) => {
    event.preventDefault();
    set({ ...DEFAULT });
  });
  byId("clear-filters").addEventListener("click", () => {
    set({ query: "", families: [] });
    byId("query").focus(); // the button is gone
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address holds the state
    byId("results").focus();
  });
  listenToTheme();
}

const THEMES = { "": "Theme: system", light: "Theme: light", dark: "Theme: dark" };

function listenToTheme() {
  const root = document.documentElement, button = byId("theme");
  const show = () => { button.textContent = THEMES[root.dataset.theme ?? ""]; };
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(root.dataset.theme ?? "") + 1) % names.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    try {
      localStorage.setItem("benchkit-theme", next);
    } catch { /* storage is blocked: the choice lasts until the page is left */ }
    show();
  });
  show();
}
