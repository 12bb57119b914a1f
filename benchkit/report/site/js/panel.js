// The panel of a row.

const section = (title, ...children) => el("section", {}, el("h3", {}, title), ...children);
const folded = (title, ...children) => el("details", {}, el("summary", {}, title), ...children);

/** A name that a line may end in behind a point or a "_", and not inside a word. */
const breakable = (name) =>
  el("bdi", {}, ...String(name).split(/(?<=[._])/).flatMap((part, i) => (i ? [el("wbr"), part] : [part])));

function lines(pairs) {
  return el("dl", { class: "lines" },
    pairs.flatMap(([name, value]) => [el("dt", {}, breakable(name)), el("dd", {}, bdi(value))]));
}

function openRow(state) {
  const place = INDEX.methods.findIndex((method) => method.label === state.open);
  const method = INDEX.methods[place];
  const tasks = state.task === null ? INDEX.tasks : [state.task];
  const details = tasks.map((task) => [task, block(`row-${INDEX.tasks.indexOf(task)}-${place}`)])
    .filter(([, detail]) => detail);
  byId("panel-title").replaceChildren(bdi(method.label));
  byId("panel-body").replaceChildren(
    el("p", { class: "muted" }, bdi(method.family), ...(state.task === null ? [] : [" on ", bdi(state.task)])),
    cardSection(method.card),
    resultsSection(method.label),
    ...details.flatMap(([task, detail]) => rowSections(task, detail, details.length > 1)).filter(Boolean),
  );
}

function cardSection(card) {
  if (!card) {
    return section("Card", el("p", {}, "No catalogue entry: how faithful it is to a paper is unknown."));
  }
  return section("Card",
    el("p", {}, bdi(card.summary || card.name)),
    lines([["Method", card.name], ["Paper", card.paper || "none"], ["Fidelity", card.fidelity]]),
    card.deviations.length
      ? folded(`Known deviations (${card.deviations.length})`,
        el("ul", {}, card.deviations.map((text) => el("li", {}, bdi(text)))))
      : el("p", { class: "muted" }, "No known deviations."));
}

/** The row's values over all cases: a line for each task and protocol, a column for each metric. */
function resultsSection(label) {
  const results = [], titles = new Map();
  INDEX.tables.forEach(({ task, protocol, part }, place) => {
    if (part) return;
    const table = block(`table-${place}`);
    const row = table.rows.find((other) => other.label === label);
    if (!row) return;
    const values = valuesOf({ ...table, costs: [] }, { ...row, costs: {} });
    if (row.cells) table.columns.forEach((column) => values.has(column.name) && titles.set(column.name, column.title));
    results.push({ task, protocol, status: row.status, values });
  });
  const head = (text) => el("th", { scope: "col" }, text);
  return section("Results",
    scrolling("Results on every task", el("table", { class: "plain" },
      el("thead", {}, el("tr", {}, head("Task"), head("Protocol"),
        [...titles.values()].map((title) => el("th", { scope: "col", class: "number" }, title)))),
      el("tbody", {}, results.map(({ task, protocol, status, values }) => el("tr", {},
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
    detail.remarks.length ? section(title("Caveats"), remarks(detail)) : null,
    detail.published.length ? section(title("Published figures"), publishedTable(detail.published)) : null,
    detail.judges.length ? section(title("Judges"), ...detail.judges.map(judgeSummary)) : null,
    detail.examples.length ? section(title("Example predictions"),
      el("p", { class: "muted" }, "The same cases for every method, chosen by a hash of their ids."),
      ...detail.examples.map(example)) : null,
    section(title("Manifest"),
      lines([["Row", detail.row_id], ["Class", detail.method],
        ...detail.runs.map((run) => [`Run, seed ${run.seed}`, run.id])]),
      ...[["Configuration", "config"], ["Run settings", "settings"], ["Decoding", "decoding"],
        ["Versions", "versions"], ["Hashes", "hashes"], ["Machine", "machine"], ["Cost", "costs"]]
        .filter(([, name]) => detail[name].length)
        .map(([text, name]) => folded(text, lines(detail[name])))),
  ];
}

const remarks = (detail) => el("ul", {}, detail.remarks.map((text) => el("li", {}, bdi(text))));

function publishedTable(figures) {
  return el("div", {}, lines(figures.map(([metric, value, from]) => [metric, `${value} (${from})`])),
    el("p", { class: "muted" }, "As printed in the paper; protocol, candidates and filters may differ from ours."));
}

/** kind: the judge's registered name, in case the suite gives it another. */
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

function example(data) {
  const facts = [
    ["Target", data.target ?? "not recorded"],
    ["Rank of the target", data.rank ? String(data.rank) : undefined],
    ["Status", [data.status, data.sampled_status].filter((s) => s && s !== "ok").join(", ") || undefined],
  ].filter(([, value]) => typeof value === "string");
  return el("article", { class: "example" },
    el("h4", {}, "Case ", bdi(data.case)),
    lines(facts),
    data.history ? folded(`History (${data.asked} items${data.asked > data.history.length
      ? `, the newest ${data.history.length}` : ""})`,
      el("ol", {}, data.history.map((title) => el("li", {}, bdi(title)))))
      : el("p", { class: "muted" }, `History of ${data.asked} items.`),
    data.top ? el("div", {}, el("p", { class: "label" }, "Top of the ranking"),
      el("ol", {}, data.top.map(({ item, score, hit }) =>
        el("li", {}, bdi(item), ` (${score.replace(/^-/, "−")})`, hit ? el("strong", {}, " target") : null)))) : null,
    data.rationale ? quote("Rationale", data.rationale) : null,
    (data.samples ?? []).map(sample),
    (data.judged ?? []).map(judgement));
}

const quote = (title, text) =>
  el("div", {}, el("p", { class: "label" }, title), el("blockquote", { dir: "auto" }, text));

function sample({ text, item, status, hit }, place) {
  const what = [status === "ok" ? "" : status, hit ? "the target" : ""].filter(Boolean).join(", ");
  const title = `Sample ${place + 1}${what ? ` (${what})` : ""}`;
  const named = item ? el("p", {}, "Item: ", bdi(item)) : null;
  return text ? el("div", {}, quote(title, text), named)
    : el("p", {}, el("span", { class: "label" }, `${title} `), item ? bdi(item) : "no item named");
}

function judgement({ judge, status, grades, reason, rationale }) {
  const texts = Object.entries(grades ?? {}).map(([name, grade]) => `${name} ${grade}`);
  return el("div", {}, rationale ? quote("Rationale judged", rationale) : null,
    el("p", {}, el("span", { class: "label" }, "Judge "), bdi(judge), ": ",
      texts.length ? joined(texts) : status, reason ? el("span", { class: "muted" }, " ", bdi(reason)) : null));
}
