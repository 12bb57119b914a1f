// What a row opens.

const section = (title, ...children) => el("section", {}, el("h3", {}, title), ...children);
const folded = (title, ...children) => el("details", {}, el("summary", {}, title), ...children);

function lines(pairs) {
  return el("dl", { class: "lines" },
    pairs.flatMap(([name, value]) => [el("dt", {}, bdi(name)), el("dd", {}, bdi(value))]));
}

function openRow(state) {
  const place = INDEX.methods.findIndex((method) => method.label === state.open);
  const method = INDEX.methods[place];
  const tasks = state.task === null ? INDEX.tasks : [state.task];
  const own = tasks.map((task) => [task, block(`row-${INDEX.tasks.indexOf(task)}-${place}`)])
    .filter(([, detail]) => detail);
  byId("panel-title").replaceChildren(bdi(method.label));
  byId("panel-body").replaceChildren(
    el("p", { class: "muted" }, bdi(method.family), ...(state.task === null ? [] : [" on ", bdi(state.task)])),
    cardSection(method.card),
    resultsSection(method.label),
    ...own.flatMap(([task, detail]) => rowSections(task, detail, own.length > 1)).filter(Boolean),
  );
}

function cardSection(card) {
  if (!card) {
    return section("Card", el("p", {}, "No catalogue entry: nothing is known of how true it is to a paper."));
  }
  return section("Card",
    el("p", {}, bdi(card.summary || card.name)),
    lines([["Method", card.name], ["Paper", card.paper || "none"], ["Fidelity", card.fidelity]]),
    card.deviations.length
      ? folded(`Known deviations (${card.deviations.length})`,
        el("ul", {}, card.deviations.map((text) => el("li", {}, bdi(text)))))
      : el("p", { class: "muted" }, "No known deviations."));
}

/** The row in every table of all cases: a line a task and protocol, a column a metric. */
function resultsSection(label) {
  const found = [], titles = new Map();
  INDEX.tables.forEach(({ task, protocol, part }, place) => {
    if (part) return;
    const table = block(`table-${place}`);
    const row = table.rows.find((other) => other.label === label);
    if (!row) return;
    const values = valuesOf({ ...table, costs: [] }, { ...row, costs: {} });
    if (row.cells) table.columns.forEach((column) => values.has(column.name) && titles.set(column.name, column.title));
    found.push({ task, protocol, status: row.status, values });
  });
  const head = (text) => el("th", { scope: "col" }, text);
  return section("Results",
    scrolling("Results on every task", el("table", { class: "plain" },
      el("thead", {}, el("tr", {}, head("Task"), head("Protocol"),
        [...titles.values()].map((title) => el("th", { scope: "col", class: "number" }, title)))),
      el("tbody", {}, found.map(({ task, protocol, status, values }) => el("tr", {},
        el("th", { scope: "row" }, bdi(task)), el("td", {}, titleOf(protocol)),
        status ? el("td", { colspan: titles.size, class: "reason" }, bdi(status))
          : [...titles.keys()].map((name) =>
            el("td", { class: "number" }, values.get(name)?.text ?? ""))))))));
}

function rowSections(task, detail, several) {
  const title = (text) => (several ? [`${text}: `, bdi(task)] : text);
  if (!detail.runs) {
    return [section(title("No results"), el("p", { class: "reason" }, bdi(detail.status)), remarks(detail))];
  }
  return [
    detail.remarks.length ? section(title("Remarks"), remarks(detail)) : null,
    detail.published.length ? section(title("Published figures"), publishedTable(detail.published)) : null,
    detail.judges.length ? section(title("Judges"), ...detail.judges.map(judgeSummary)) : null,
    detail.examples.length ? section(title("Example predictions"),
      el("p", { class: "muted" }, "The same cases for every method of the task, chosen by a hash of their ids."),
      ...detail.examples.map(example)) : null,
    section(title("Manifest"),
      lines([["Row", detail.row_id], ["Class", detail.method],
        ...detail.runs.map((run) => [`Run, seed ${run.seed}`, run.id])]),
      ...[["Configuration", "config"], ["Settings of the run", "settings"], ["Decoding", "decoding"],
        ["Versions", "versions"], ["Hashes", "hashes"], ["Machine", "machine"], ["Cost", "costs"]]
        .filter(([, name]) => detail[name].length)
        .map(([text, name]) => folded(text, lines(detail[name])))),
  ];
}

const remarks = (detail) => el("ul", {}, detail.remarks.map((text) => el("li", {}, bdi(text))));

function publishedTable(figures) {
  return el("div", {}, lines(figures.map(([metric, value, from]) => [metric, `${value} (${from})`])),
    el("p", { class: "muted" }, "As printed; protocols, candidates and filters may differ from ours."));
}

/** kind: the judge's registered name, where a suite calls it otherwise. */
function judgeSummary({ judge, kind, cases, scored, means, remarks = [], warnings = [] }) {
  return el("div", {}, el("h4", {}, bdi(judge)),
    lines([
      ...(kind && kind !== judge ? [["Judge", kind]] : []),
      ["Graded", `${scored} of ${cases} answers`],
      ...Object.entries(means).map(([name, value]) => [name, `mean ${value}`]),
    ]),
    warnings.length || remarks.length ? el("ul", {},
      warnings.map((text) => el("li", { class: "warning" }, el("strong", {}, "Warning: "), bdi(text))),
      remarks.map((text) => el("li", {}, bdi(text)))) : null);
}

function example(shown) {
  const facts = [
    ["Target", shown.target ?? "not recorded"],
    ["Its rank", shown.rank ? String(shown.rank) : undefined],
    ["Status", [shown.status, shown.sampled_status].filter((s) => s && s !== "ok").join(", ") || undefined],
  ].filter(([, value]) => typeof value === "string");
  return el("article", { class: "example" },
    el("h4", {}, "Case ", bdi(shown.case)),
    lines(facts),
    shown.history ? folded(`History (${shown.asked} items${shown.asked > shown.history.length
      ? `, the newest ${shown.history.length}` : ""})`,
      el("ol", {}, shown.history.map((title) => el("li", {}, bdi(title)))))
      : el("p", { class: "muted" }, `History of ${shown.asked} items.`),
    shown.top ? el("div", {}, el("p", { class: "label" }, "Ranked first"),
      el("ol", {}, shown.top.map(({ item, score, hit }) =>
        el("li", {}, bdi(item), ` (${score.replace(/^-/, "−")})`, hit ? el("strong", {}, " target") : null)))) : null,
    shown.rationale ? quote("Rationale", shown.rationale) : null,
    (shown.samples ?? []).map(sample),
    (shown.judged ?? []).map(judgement));
}

const quote = (title, text) =>
  el("div", {}, el("p", { class: "label" }, title), el("blockquote", { dir: "auto" }, text));

function sample({ text, item, status, hit }, place) {
  const what = [status === "ok" ? "" : status, hit ? "the target" : ""].filter(Boolean).join(", ");
  const title = `Sample ${place + 1}${what ? ` (${what})` : ""}`;
  const named = item ? el("p", {}, "Item: ", bdi(item)) : null;
  return text ? el("div", {}, quote(title, text), named)
    : el("p", {}, el("span", { class: "label" }, `${title} `), item ? bdi(item) : "names no item");
}

function judgement({ judge, status, grades, reason, rationale }) {
  const given = Object.entries(grades ?? {}).map(([name, grade]) => `${name} ${grade}`);
  return el("div", {}, rationale ? quote("Rationale judged", rationale) : null,
    el("p", {}, el("span", { class: "label" }, "Judge "), bdi(judge), ": ",
      given.length ? joined(given) : status, reason ? el("span", { class: "muted" }, " ", bdi(reason)) : null));
}
