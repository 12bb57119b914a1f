// What buttons and keys do.

let noting = false; // letters of one note are one step of undo

/** A grade was given by mouse or arrow keys. */
function graded(criterion, grade) {
  const { id } = current();
  const { grades } = entryOf(id);
  change(id, { grades: { ...grades, [criterion.name]: grade }, skipped: false });
  tell();
  renderItem(graded, false);
  renderTop();
}

/** A grade was given by its key: go on to the next criterion without one. */
function gradeByKey(key) {
  const criterion = focused();
  const level = criterion.grades.find((one) => one.key === key);
  if (!level) {
    say(`${key} is no grade of ${title(criterion.name)}`);
    return;
  }
  graded(criterion, level.grade);
  say(`${title(criterion.name)}: ${level.grade}`);
  focusOn(following(criterion));
}

/** The next criterion without a grade; where all have one, the next, and at the end the last. */
function following(criterion) {
  const later = data.criteria.slice(data.criteria.indexOf(criterion) + 1);
  const left = ungraded(entryOf(current().id));
  return later.find((one) => left.includes(one)) ?? left[0] ?? later[0] ?? criterion;
}

function show(place) {
  clock(false);
  state.at = place;
  noting = false;
  tell();
  screen("work");
  renderItem(graded, true);
  renderTop();
  clock(true);
  save();
  const entry = entryOf(current().id);
  if (entry.skipped) say("skipped");
}

function showDone() {
  clock(false);
  tell();
  screen("done");
  const { total, done } = counts();
  byId("done-title").textContent = done === total ? "All items are done" : "This was the last item";
  renderTop();
  save();
  byId("done-title").focus();
}

function next() {
  const entry = entryOf(current().id);
  if (!finished(entry)) {
    const left = ungraded(entry);
    const names = left.map(({ name }) => title(name)).join(", ");
    tell(`Not graded yet: ${names}. Grade it, or skip the item.`);
    focusOn(left[0]);
    return;
  }
  if (state.at + 1 < data.items.length) show(state.at + 1);
  else showDone();
}

function back() {
  if (!byId("done").hidden) show(state.at);
  else if (state.at > 0) show(state.at - 1);
}

/** Skipping drops the grades of an item (undo brings them back) and goes on to the next one. */
function skip() {
  const { id } = current();
  const skipped = !entryOf(id).skipped;
  change(id, skipped ? { skipped, grades: {} } : { skipped });
  if (skipped) return next();
  renderItem(graded, false);
  renderTop();
  return say("no longer skipped");
}

function undoLast() {
  clock(false);
  const undone = undo();
  if (undone) show(state.at);
  else clock(!byId("work").hidden);
  say(undone ? "undone" : "there is nothing to undo");
}

function begin() {
  const name = byId("name").value.trim();
  byId("name-problem").textContent = name ? "" : "Please give a name, so that files can be told apart.";
  if (!name) return byId("name").focus();
  Object.assign(state, { name, started: true });
  const first = firstUnfinished();
  return first < 0 ? showDone() : show(first);
}

function download() {
  clock(since !== null);
  const file = new Blob([exported()], { type: "text/csv;charset=utf-8" });
  const link = el("a", { href: URL.createObjectURL(file), download: `${data.batch}-${data.annotator}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  unsaved = false;
  save();
  say("the CSV file is exported");
}

async function read(file) {
  let found;
  try {
    found = imported(await file.text());
  } catch (error) {
    tell(`${file.name} is not imported: ${error.message}.`);
    return;
  }
  clock(false);
  state.seconds = { ...state.seconds, ...found.seconds };
  state.name ||= found.name;
  byId("name").value = state.name;
  changeAll(found.entries);
  if (!state.started) renderTop();
  else if (firstUnfinished() < 0) showDone();
  else show(firstUnfinished());
  tell(`${plural(Object.keys(found.entries).length, "item")} imported from ${file.name}.`);
}

const help = () => byId("helper").showModal();
const note = () => byId("note").focus();

function pressed(event) {
  if (byId("helper").open || event.defaultPrevented) return;
  const what = action(event, state.singles);
  const working = !byId("work").hidden;
  const todo = {
    help,
    back: working || !byId("done").hidden ? back : null,
    undo: working ? undoLast : null,
    next: working ? next : null,
    skip: working ? skip : null,
    note: working ? note : null,
    leave: () => focusOn(focused()),
    grade: working ? () => gradeByKey(event.key) : null,
  }[what];
  if (!todo) return;
  event.preventDefault();
  todo();
}

function wire() {
  const clicks = {
    begin, next, back, skip, help, export: download, "export-done": download,
    undo: undoLast, review: () => show(data.items.length - 1),
    unfinished: () => show(firstUnfinished()),
    import: () => byId("file").click(),
    "helper-close": () => byId("helper").close(),
  };
  for (const [id, click] of Object.entries(clicks)) byId(id).addEventListener("click", click);
  byId("file").addEventListener("change", async () => {
    const [file] = byId("file").files;
    if (file) await read(file);
    byId("file").value = "";
  });
  byId("name").addEventListener("keydown", (event) => { if (event.key === "Enter") begin(); });
  byId("note").addEventListener("input", () => {
    change(current().id, { note: byId("note").value }, noting);
    noting = true;
    renderTop();
  });
  byId("note").addEventListener("blur", () => { noting = false; });
  byId("shortcuts").checked = state.singles;
  byId("shortcuts").addEventListener("change", () => {
    state.singles = byId("shortcuts").checked;
    save();
  });
  document.addEventListener("keydown", pressed);
  document.addEventListener("focusin", mark);
  document.addEventListener("visibilitychange", () => { clock(!byId("work").hidden); save(); });
  addEventListener("pagehide", () => { clock(false); save(); });
  addEventListener("pageshow", () => clock(!byId("work").hidden));
  addEventListener("beforeunload", (event) => { if (!stored && unsaved) event.preventDefault(); });
  addEventListener("storage", (event) => {
    const { at } = state;
    if (event.key !== STORE || event.newValue === null || !adopt(event.newValue)) return;
    state.at = at;
    tell("This page is open in another tab, too. Both show the same progress; better close one.");
    renderTop();
    if (!byId("work").hidden) renderItem(graded, false);
  });
}

function open() {
  const found = load();
  byId("total").textContent = data.items.length === 1 ? "1 item" : `the ${data.items.length} items`;
  byId("name").value = state.name;
  for (const place of document.querySelectorAll(".rubric")) place.append(...rubric());
  for (const place of document.querySelectorAll(".shortcuts")) place.append(...shortcuts());
  wire();
  renderTop();
  if (!found || !state.started) screen("start");
  else if (firstUnfinished() < 0) showDone();
  else {
    show(state.at);
    say("your progress is restored");
  }
}

open();
