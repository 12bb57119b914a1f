// What the annotator has said so far. Entries are never changed in place, so that undo is a list
// of earlier states.

const data = JSON.parse(document.getElementById("data").textContent);
const STORE = `benchkit-annotation:${data.batch}:${data.annotator}`;
const UNTOUCHED = Object.freeze({ grades: Object.freeze({}), skipped: false, note: "" });
const byItem = new Map(data.items.map((item, place) => [item.id, place]));

const state = { name: "", started: false, at: 0, entries: {}, seconds: {}, singles: true };
const past = [];
let stored = true;
let unsaved = false;

const entryOf = (id) => state.entries[id] ?? UNTOUCHED;
const current = () => data.items[state.at];
const touched = (entry) =>
  entry.skipped || entry.note !== "" || Object.keys(entry.grades).length > 0;
/** A grade, or null; a criterion may be called like something that every object has. */
const gradeOf = (entry, name) => (Object.hasOwn(entry.grades, name) ? entry.grades[name] : null);
const ungraded = (entry) => data.criteria.filter(({ name }) => gradeOf(entry, name) === null);
const finished = (entry) => entry.skipped || ungraded(entry).length === 0;

function counts() {
  const entries = data.items.map((item) => entryOf(item.id));
  const skipped = entries.filter((entry) => entry.skipped).length;
  const done = entries.filter(finished).length;
  return { total: entries.length, skipped, graded: done - skipped, done };
}

const firstUnfinished = () => data.items.findIndex((item) => !finished(entryOf(item.id)));

/** Change the entry of an item. Undo takes it back as one step, unless it `goes on` with the last. */
function change(id, update, goesOn = false) {
  if (!goesOn) past.push({ entries: state.entries, at: state.at });
  state.entries = { ...state.entries, [id]: { ...entryOf(id), ...update } };
  unsaved = true;
  save();
}

/** Replace many entries at once, as an import does. */
function changeAll(entries) {
  past.push({ entries: state.entries, at: state.at });
  state.entries = { ...state.entries, ...entries };
  unsaved = true;
  save();
}

function undo() {
  const before = past.pop();
  if (before === undefined) return false;
  Object.assign(state, before);
  unsaved = true;
  save();
  return true;
}

function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(state));
    stored = true;
  } catch {
    stored = false;
  }
}

/** Read the progress that is stored; false where there is none. What is no longer valid is left. */
function load() {
  let text = null;
  try {
    text = localStorage.getItem(STORE);
    localStorage.setItem(`${STORE}:probe`, "1");
    localStorage.removeItem(`${STORE}:probe`);
  } catch {
    stored = false;
    return false;
  }
  return text !== null && adopt(text);
}

function adopt(text) {
  try {
    const found = JSON.parse(text);
    if (typeof found.entries !== "object" || typeof found.seconds !== "object") return false;
    const at = Math.min(Math.max(0, Math.trunc(Number(found.at)) || 0), data.items.length - 1);
    Object.assign(state, found, { at });
    return true;
  } catch {
    return false;
  }
}

// Time on an item counts while the page can be seen.
let since = null;

function clock(running) {
  const now = performance.now();
  if (since !== null) {
    const { id } = current();
    state.seconds = { ...state.seconds, [id]: (state.seconds[id] ?? 0) + (now - since) / 1000 };
  }
  since = running && !document.hidden ? now : null;
}
