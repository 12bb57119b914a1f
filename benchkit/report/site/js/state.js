// The reader's choices, kept in the address so that a view can be linked.

const block = (() => {
  const parsed = new Map();
  return (name) => {
    if (!parsed.has(name)) {
      const element = document.getElementById(`data-${name}`);
      parsed.set(name, element && JSON.parse(element.textContent));
    }
    return parsed.get(name);
  };
})();

const INDEX = block("index");
const protocolsOf = (task) => [
  ...new Set(INDEX.tables.filter((t) => task === null || t.task === task).map((t) => t.protocol)),
];
const titleOf = (protocol) => INDEX.protocols.find((known) => known.name === protocol).title;
const partsOf = (task, protocol) => [
  ...new Set(
    INDEX.tables.filter((t) => t.task === task && t.protocol === protocol).map((t) => t.part),
  ),
];

/** The closest valid state, because a link may be older than the page. task: null for all tasks. */
function valid(state) {
  const tasks = [...new Set(INDEX.tables.map((table) => table.task))];
  const task = state.all && tasks.length > 1 ? null
    : tasks.includes(state.task) ? state.task : tasks[0];
  const protocols = protocolsOf(task);
  const protocol = protocols.includes(state.protocol) ? state.protocol : protocols[0];
  const parts = task === null ? [""] : partsOf(task, protocol);
  const part = parts.includes(state.part) ? state.part : parts[0];
  const labels = new Set(INDEX.methods.map((method) => method.label));
  const ticked = [...new Set(state.ticked)].filter((label) => labels.has(label)).slice(-2);
  return {
    ...state,
    all: task === null,
    task,
    protocol,
    part,
    families: state.families.filter((family) => INDEX.families.includes(family)),
    ticked,
    open: labels.has(state.open) ? state.open : null,
    compare: state.compare && ticked.length === 2,
  };
}

const isOpen = (state) => state.open !== null || state.compare;

const START = {
  all: true, task: null, protocol: null, part: "", metric: INDEX.primary, sort: null, dir: null,
  query: "", families: [], columns: null, ticked: [], open: null, compare: false,
};
const DEFAULT = valid(START);

function readAddress() {
  const query = new URLSearchParams(location.hash.slice(1));
  return valid({
    // A link that names something of one table leads to a table.
    all: query.get("view") === "overview" || !["task", "part", "col"].some((name) => query.has(name)),
    task: query.get("task"),
    protocol: query.get("protocol"),
    part: query.get("part") ?? "",
    metric: query.get("metric") ?? INDEX.primary,
    sort: query.get("sort"),
    dir: query.get("dir") === "asc" ? "asc" : query.get("dir") === "desc" ? "desc" : null,
    query: query.get("q") ?? "",
    families: query.getAll("family"),
    columns: query.has("col") ? query.getAll("col") : null,
    ticked: query.getAll("tick"),
    open: query.get("open"),
    compare: query.get("compare") === "1",
  });
}

function address(state) {
  const out = new URLSearchParams();
  if (!state.all && DEFAULT.all) out.set("task", state.task);
  if (state.protocol !== protocolsOf(state.task)[0]) out.set("protocol", state.protocol);
  if (state.part) out.set("part", state.part);
  if (state.all && state.metric !== INDEX.primary) out.set("metric", state.metric);
  if (state.sort) out.set("sort", state.sort);
  if (state.dir) out.set("dir", state.dir);
  if (state.query) out.set("q", state.query);
  state.families.forEach((family) => out.append("family", family));
  (state.columns ?? []).forEach((column) => out.append("col", column));
  state.ticked.forEach((label) => out.append("tick", label));
  if (state.open !== null) out.set("open", state.open);
  if (state.compare) out.set("compare", "1");
  return `#${out}`;
}
