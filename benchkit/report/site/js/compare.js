// The comparison of two rows.

/** The paired difference of two rows of table `place`: {metric: [a - b, low, high, p, Holm, counts]}. */
function differences(place, first, second) {
  const data = block(`pairs-${place}`);
  if (!data) return null;
  const labels = block(`table-${place}`).rows.map((row) => row.label);
  const found = {};
  for (const [metric, { rows, n, users, values }] of Object.entries(data.metrics)) {
    const a = rows.indexOf(labels.indexOf(first)), b = rows.indexOf(labels.indexOf(second));
    if (a < 0 || b < 0) continue;
    const [i, j] = [Math.min(a, b), Math.max(a, b)];
    // Pairs i < j in the order of combinations: rows before i have rows.length - 1 - r each.
    const at = (i * (2 * rows.length - i - 1)) / 2 + (j - i - 1);
    const [mean, low, high, p, holm] = values[at];
    const counts = { n, users };
    found[metric] = a < b ? [mean, low, high, p, holm, counts] : [-mean, -high, -low, p, holm, counts];
  }
  return { found, all: data.all, pairs: Object.values(data.metrics)[0]?.values.length ?? 0 };
}

function openComparison(state) {
  const [first, second] = state.ticked;
  byId("panel-title").replaceChildren(nameOf(first), " and ", nameOf(second));
  const places = state.all ? tablesOf(state.protocol)
    : INDEX.tables.map((table, place) => ({ ...table, place }))
      .filter((t) => t.task === state.task && t.protocol === state.protocol && !t.part);
  byId("panel-body").replaceChildren(...places.flatMap(({ caption, place }) =>
    comparison(caption, place, first, second)));
}

function comparison(caption, place, first, second) {
  const table = block(`table-${place}`);
  const [a, b] = [first, second].map((label) => table.rows.find((row) => row.label === label));
  const result = a?.cells && b?.cells ? differences(place, first, second) : null;
  if (!result) return [section(bdi(caption), el("p", { class: "reason" }, "One of the two methods has no results here."))];
  const known = Object.values(result.found);
  const reach = Math.max(0.001, ...known.flatMap(([, low, high]) => [Math.abs(low), Math.abs(high)]));
  const rows = table.columns.filter((column) => column.ranked).map((column) => {
    const i = table.columns.indexOf(column);
    return differenceRow(column, a.cells[i], b.cells[i], result.found[column.name], reach);
  });
  const head = (text, kind = "") => el("th", { scope: "col", class: `number ${kind}` }, text);
  const { n, users } = known.length ? known[0][5] : {};
  const several = users < n ? ` with ${n.toLocaleString("en")} cases, which are resampled and change signs together` : "";
  return [section(bdi(caption),
    scrolling(`Paired differences: ${caption}`, el("table", { class: "plain" },
      el("caption", { class: "hidden" }, `${first} minus ${second}`),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Metric"), head("Difference"),
        head("p (Holm)"), head(nameOf(first), "name"), head(nameOf(second), "name"))),
      el("tbody", {}, rows))),
    el("ul", { class: "notes" },
      el("li", {}, "Difference: first minus second, paired by user", users ? ` over ${users.toLocaleString("en")} users${several}` : "",
        ", with its 95 % bootstrap interval; the vertical line marks no difference. p: two-sided sign-flip permutation test."
        + " Where both methods have three or more seeds, interval and p are over users and seeds."),
      el("li", {}, `Holm's method adjusts the raw p over the ${result.pairs.toLocaleString("en")} pairs of this table, for each`
        + " metric separately. For a pair chosen after seeing the results, only the adjusted p is valid. Bold: adjusted p below 5 %. Intervals are not adjusted."),
      result.all ? null : el("li", {}, "In a table with this many rows, only the primary metric is compared.")))];
}

function differenceRow(column, first, second, found, reach) {
  const number = (...children) => el("td", { class: "number" }, ...children);
  const mean = (cell) => number(cell ? cell[0].split(" [")[0] : "");
  const head = el("th", { scope: "row" }, column.title), means = [mean(first), mean(second)];
  if (!found) return el("tr", {}, head, el("td", { colspan: 2, class: "reason" }, "not compared"), means);
  const [difference, low, high, p, holm] = found;
  return el("tr", {}, head,
    number(el("span", { class: "line" },
      el(holm < 0.05 ? "strong" : "span", { class: "value" }, signed(difference)),
      el("span", { class: "interval" }, ` [${signed(low)}, ${signed(high)}]`)),
    bar([-reach, reach], difference, low, high, 0, "zero")),
    number(el("span", { class: "line" }, pValue(holm)), el("span", { class: "interval" }, `raw ${pValue(p)}`)),
    means);
}
