// All tasks side by side in one metric.

/** A view (`currentView`) with a column for each task, and the mean of complete rows. */
function overview(protocol, preferred) {
  const titles = metricsOf(protocol);
  const metric = titles.has(preferred) ? preferred : [...titles.keys()][0];
  const tables = tablesOf(protocol)
    .map(({ task, place }) => ({ task, name: `task:${task}`, table: block(`table-${place}`) }))
    .map((entry) => ({ ...entry, at: entry.table.columns.findIndex((column) => column.name === metric) }))
    .filter(({ at }) => at >= 0);
  const columns = tables.map(({ task, name, table, at }) =>
    ({ ...table.columns[at], name, title: task, kind: "metric", text: true }));
  const chance = new Map(tables.map(({ name, table, at }) => [name, table.chance[at]]));
  const footnotes = [...new Set(tables.flatMap(({ table }) => table.footnotes))];
  const listed = new Set(tables.flatMap(({ table }) => table.rows.map((row) => row.label)));
  const rows = INDEX.methods.filter(({ label }) => listed.has(label))
    .map((method) => rowOfTasks(method, tables, metric, footnotes));
  const several = columns.length > 1;
  if (several) addMean(rows, columns, chance);
  const ranks = block("mean-ranks")?.[protocol];
  const ranked = several && ranks?.metric === metric;
  if (ranked) addMeanRanks(rows, columns, ranks);
  return {
    place: null,
    caption: `${titles.get(metric)} on all tasks (${titleOf(protocol).toLowerCase()})`,
    columns, chance, rows, footnotes,
    rankLegend: ranked ? ranks.legend.map((line) => [bdi(line)]) : [],
    primary: several ? "mean" : columns[0]?.name,
    legend: [
      ...mergedLegend(tables),
      ["Mean: over tasks, with equal weight, for rows with a result on every task."],
    ],
  };
}

/** reasons: why there is no value, by column name. */
function rowOfTasks({ label, family }, tables, metric, footnotes) {
  const values = new Map(), reasons = new Map(), notes = new Set();
  for (const { name, table } of tables) {
    const row = table.rows.find((other) => other.label === label);
    const value = row && valuesOf(table, row).get(metric);
    if (value) values.set(name, { ...value, published: undefined, at_chance: row.at_chance });
    else reasons.set(name, row ? row.status ?? "no value" : "not in the suite");
    for (const n of row?.notes ?? []) notes.add(footnotes.indexOf(table.footnotes[n - 1]) + 1);
  }
  return { label, family, values, reasons, notes: notes.size ? [...notes].sort((a, b) => a - b) : undefined };
}

function addMean(rows, columns, chance) {
  const tasks = columns.map((column) => column.name);
  for (const { values } of rows) {
    const value = meanOf(tasks.map((name) => values.get(name)?.value));
    if (value !== null) values.set("mean", { text: rate(value), value, low: null, high: null, place: 0 });
  }
  const level = meanOf(tasks.map((name) => chance.get(name)?.[1]));
  chance.set("mean", level === null ? null : [rate(level), level]);
  const ranked = columns.some((column) => column.ranked);
  const cells = rows.map((row) => row.values.get("mean")).filter(Boolean);
  const places = ranked ? firstTwo(cells.map((cell) => cell.value)) : [];
  for (const cell of cells) cell.place = places.indexOf(cell.value) + 1;
  columns.push({ name: "mean", title: "Mean", axis: null, ranked, kind: "metric" });
}

function addMeanRanks(rows, columns, ranks) {
  for (const { label, values } of rows) {
    const rank = ranks.rows[label];
    if (rank) values.set("rank", { text: rank[0], value: rank[1] });
  }
  columns.push({ name: "rank", title: "Mean rank", axis: null, kind: "rank" });
}

/** The mean, rounded like the data so that ties stay ties; null where a value is missing. */
function meanOf(values) {
  if (values.includes(undefined)) return null;
  return Number((values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(6));
}

/** The best value and, if only one row has it, the second, as in the tables of one task. */
function firstTwo(values) {
  const order = [...new Set(values)].sort((a, b) => b - a);
  const tied = values.filter((value) => value === order[0]).length > 1;
  return order.slice(0, tied ? 1 : 2);
}

/** The lines of all tables, each once; a line that some tables lack names its tasks. */
function mergedLegend(tables) {
  const tasks = new Map();
  for (const { task, table } of tables)
    for (const line of table.legend) tasks.set(line, [...(tasks.get(line) ?? []), task]);
  return [...tasks].map(([line, names]) => (names.length === tables.length ? [bdi(line)]
    : [...joined(names), ": ", bdi(line)]));
}
