// The table.

function drawHead(view, columns) {
  const th = (name, title, axis, numeric, text) =>
    el("th", { scope: "col", "data-name": name, class: numeric ? "number" : name },
      el("button", { type: "button", class: "sort", onclick: () => sortBy(name) },
        text ? bdi(title) : title, el("span", { class: "arrow", "aria-hidden": "true" })),
      axis ? el("span", { class: "ends", "aria-hidden": "true" },
        el("span", {}, axisEnd(axis[0])), el("span", {}, axisEnd(axis[1]))) : null);
  byId("table").tHead.replaceChildren(
    el("tr", {},
      el("th", { scope: "col", class: "box" }, hidden("Compare")),
      th("method", "Method"),
      th("family", "Family"),
      ...columns.map((c) => th(c.name, c.title, c.axis, true, c.text))),
  );
  byId("table").caption.textContent = view.caption;
  byId("caption").replaceChildren(bdi(view.caption));
  const legend = columns.some((c) => c.kind === "rank") ? [...view.legend, ...view.rankLegend] : view.legend;
  byId("legend").replaceChildren(...legend.map((line) => el("li", {}, ...line)));
  byId("footnotes").replaceChildren(
    ...view.footnotes.map((text, i) => el("li", { id: `note-${i + 1}` }, bdi(text))));
}

const axisEnd = (value) => (value === 0 ? "0" : rate(value, 2));

function markSorted(view, state) {
  const { by, dir } = sorting(view, state);
  for (const th of byId("table").tHead.rows[0].cells) {
    if (th.dataset.name === by) th.setAttribute("aria-sort", dir === "asc" ? "ascending" : "descending");
    else th.removeAttribute("aria-sort");
  }
}

function sortBy(name) {
  const view = currentView(current);
  const { by, dir } = sorting(view, current);
  if (by === name) set({ sort: name, dir: dir === "asc" ? "desc" : "asc" });
  else set({ sort: name, dir: null });
}

function drawBody(view, columns, state) {
  const rows = shownRows(view, state);
  byId("table").tBodies[0].replaceChildren(
    chanceRow(view, columns),
    ...rows.map((row) => methodRow(view, columns, row, state)),
  );
  const { by, dir } = sorting(view, state);
  const title = view.columns.find((column) => column.name === by)?.title ?? by;
  byId("count").replaceChildren(`${rows.length} of ${view.rows.length} rows, by `, bdi(title),
    `, ${dir === "asc" ? "ascending" : "descending"}`);
  byId("empty").hidden = rows.length > 0;
  drawReasons(view, columns, rows);
}

/** What a cell without figures says: 'failed' of 'failed: it raised ...'. The list below says why. */
const statusOf = (reason) => reason.split(": ")[0];

/** The reasons of rows and cells without figures, below the table, where they are whole. */
function drawReasons(view, columns, rows) {
  const named = new Map();
  for (const row of rows) {
    const reasons = row.status === undefined
      ? columns.filter((c) => row.reasons?.has(c.name)).map((c) => [row.reasons.get(c.name), c.title])
      : [[row.status, null]];
    for (const [reason, task] of reasons) {
      if (statusOf(reason) === reason) continue; // the cell says all
      if (!named.has(reason)) named.set(reason, new Map());
      named.get(reason).set(row.label, [...(named.get(reason).get(row.label) ?? []), task]);
    }
  }
  byId("reasons").hidden = !named.size;
  byId("reasons-list").replaceChildren(...[...named].map(([reason, of]) => el("li", {},
    [...of].flatMap(([label, tasks], i) => [
      i ? ", " : "", el("strong", {}, nameOf(label)),
      tasks[0] === null ? "" : bdi(` (${tasks.join(", ")})`)]),
    ": ", bdi(reason))));
}

function chanceRow(view, columns) {
  const any = [...view.chance.values()].some(Boolean);
  return el("tr", { class: "chance-row", hidden: !any },
    el("td", { class: "box" }),
    el("th", { scope: "row", class: "method" }, "Chance"),
    el("td", { class: "family" }),
    ...columns.map((column) => {
      const chance = view.chance.get(column.name);
      return el("td", { class: "number" }, chance ? el("span", { class: "value" }, chance[0]) : null);
    }));
}

function methodRow(view, columns, row, state) {
  const ticked = state.ticked.includes(row.label);
  const head = [
    el("td", { class: "box" }, el("input", {
      type: "checkbox", checked: ticked, "data-label": row.label,
      "aria-label": `Compare ${row.label}`, disabled: !row.values.size,
      onchange: (event) => tickRow(row.label, event.target.checked),
    })),
    el("th", { scope: "row", class: "method" },
      el("button", {
        type: "button", class: "link", "aria-haspopup": "dialog", onclick: () => set({ open: row.label }),
      }, nameOf(row.label)),
      marks(view, row)),
    el("td", { class: "family" }, bdi(row.family)),
  ];
  const cells = row.status === undefined
    ? columns.map((column) => valueCell(view, column, row))
    : [el("td", { class: "reason", colspan: columns.length },
      el("span", { class: "status" }, bdi(statusOf(row.status))))];
  return el("tr", { class: ticked ? "ticked" : null }, ...head, ...cells);
}

function marks(view, row) {
  if (!row.at_chance && !row.notes) return null;
  return el("sup", { class: "marks" },
    row.at_chance ? notAbove() : null,
    row.notes ? el("span", { title: row.notes.map((n) => view.footnotes[n - 1]).join("\n") },
      hidden(" footnotes "), superscript(row.notes)) : null);
}

const notAbove = () => el("span", { title: "not significantly above chance" },
  "°", hidden(" not significantly above chance"));

function valueCell(view, column, row) {
  const cell = row.values.get(column.name), reason = row.reasons?.get(column.name);
  if (reason) return el("td", { class: "reason number" }, bdi(statusOf(reason)));
  if (!cell) return el("td", { class: "number" });
  const [mean, interval] = [cell.text.split(" [")[0], cell.text.split(" [")[1]];
  const tag = { 1: "strong", 2: "u" }[cell.place] ?? "span";
  const chance = view.chance.get(column.name);
  return el("td", { class: "number" },
    el("span", { class: "line" },
      el(tag, { class: "value" }, mean),
      cell.place ? hidden(cell.place === 1 ? " best" : " second") : null,
      cell.at_chance ? el("sup", { class: "marks" }, notAbove()) : null,
      interval ? el("span", { class: "interval" }, ` [${interval}`) : null),
    column.axis ? bar(column.axis, cell.value, cell.low, cell.high, chance ? chance[1] : null) : null,
    (cell.published ?? []).map(([text, from]) =>
      el("span", { class: "published" }, `${from.split(",")[0]}: ${text}`)));
}

function tickRow(label, on) {
  set({ ticked: toggled(current.ticked, label, on).slice(-2) });
  announce();
}

/** Show which rows are ticked without redrawing the table. */
function markTicked(state) {
  for (const box of byId("table").tBodies[0].querySelectorAll("input")) {
    box.checked = state.ticked.includes(box.dataset.label);
    box.closest("tr").classList.toggle("ticked", box.checked);
  }
  byId("bar").hidden = !state.ticked.length;
  byId("bar-compare").hidden = state.ticked.length < 2;
  const names = state.ticked.map((label) => el("strong", {}, nameOf(label)));
  byId("bar-text").replaceChildren(
    ...(names.length === 2
      ? [names[0], " and ", names[1], el("span", { class: "muted keys" }, " (press Enter on a tick to compare them)")]
      : [...names, ": tick a second row to compare"]));
}

function announce() {
  const [first, second] = current.ticked;
  byId("live").textContent = second ? `${first} and ${second} are ticked. Press Enter to compare them.`
    : first ? `${first} is ticked. Tick a second row to compare.` : "No row is ticked.";
}
