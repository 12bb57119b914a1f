// Views: the columns and rows of a table, for one task or for all.

/** {caption, columns, chance, rows, legend, footnotes, place}: one table, or all tasks.
 *
 * A line of `legend` is a list of texts and elements. */
function currentView(state) {
  if (state.all) return overview(state.protocol, state.metric);
  const place = INDEX.tables.findIndex(
    (t) => t.task === state.task && t.protocol === state.protocol && t.part === state.part,
  );
  const table = block(`table-${place}`);
  return {
    place,
    caption: INDEX.tables[place].caption,
    columns: [
      ...(table.rank_legend ? [{ name: "rank", title: "Rank, group", kind: "rank" }] : []),
      ...table.columns.map((column) => ({ ...column, kind: "metric" })),
      ...table.costs.map((column) => ({ ...column, kind: "cost" })),
    ],
    rankLegend: (table.rank_legend ?? []).map((line) => [bdi(line)]),
    primary: table.primary,
    chance: new Map(table.columns.map((column, i) => [column.name, table.chance[i]])),
    rows: table.rows.map((row) => ({ ...row, values: valuesOf(table, row) })),
    legend: table.legend.map((line) => [bdi(line)]),
    footnotes: table.footnotes,
  };
}

/** Column name -> {text, value, low, high, place, published}. */
function valuesOf(table, row) {
  const values = new Map();
  table.columns.forEach((column, i) => {
    const cell = row.cells?.[i];
    if (!cell) return;
    const [text, value, low, high, place] = cell;
    values.set(column.name, { text, value, low, high, place, published: row.published?.[column.name] });
  });
  for (const [name, [text, value]] of Object.entries(row.costs ?? {})) values.set(name, { text, value });
  if (row.rank) values.set("rank", { text: row.rank[0], value: row.rank[1] });
  return values;
}

const tablesOf = (protocol) =>
  INDEX.tables.map((table, place) => ({ ...table, place })).filter(
    (table) => !table.part && table.protocol === protocol,
  );

/** Titles of the metrics that some task has under a protocol, by name. */
function metricsOf(protocol) {
  const titles = new Map();
  for (const { place } of tablesOf(protocol))
    for (const column of block(`table-${place}`).columns) titles.set(column.name, column.title);
  return titles;
}

/** The columns to show: the chosen ones, or the first metrics and all costs, and mean ranks. */
function shownColumns(view, state) {
  if (state.columns && !state.all) {
    const chosen = view.columns.filter((column) => state.columns.includes(column.name));
    if (chosen.length) return chosen;
  }
  let metrics = 0;
  return view.columns.filter(
    (column) => state.all || column.kind === "cost" || column.name === view.primary
      || (column.kind === "metric" && ++metrics < INDEX.first),
  );
}

function sorting(view, state) {
  const known = ["method", "family", ...view.columns.map((column) => column.name)];
  const by = known.includes(state.sort) ? state.sort : view.primary;
  const words = by === "method" || by === "family";
  const rising = view.columns.some((column) => column.name === by && column.kind !== "metric");
  return { by, dir: state.dir ?? (words || rising ? "asc" : "desc") };
}

/** Rows that pass the filters, sorted; those without a value come last. */
function shownRows(view, state) {
  const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (row) => [
    row.label, row.family, row.status ?? "", ...(row.reasons?.values() ?? []),
    ...(row.notes ?? []).map((n) => view.footnotes[n - 1]),
  ].join(" ").toLowerCase();
  const matches = view.rows.filter(
    (row) => (!state.families.length || state.families.includes(row.family))
      && words.every((word) => text(row).includes(word)),
  );
  const { by, dir } = sorting(view, state);
  const sign = dir === "asc" ? 1 : -1;
  const key = (row) => (by === "method" ? row.label : by === "family" ? row.family : row.values.get(by)?.value);
  const isDevice = by === "device";
  const value = (row) => (isDevice ? row.values.get(by)?.text : key(row));
  return matches
    .map((row, place) => ({ row, place, value: value(row) }))
    .sort((a, b) => {
      if (a.value === undefined || b.value === undefined)
        return (a.value === undefined) - (b.value === undefined) || a.place - b.place;
      const order = typeof a.value === "string" ? a.value.localeCompare(b.value, "en") : a.value - b.value;
      return sign * order || a.place - b.place;
    })
    .map(({ row }) => row);
}
