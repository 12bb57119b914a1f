// From the state to what is seen.

/** The criterion that digits grade: the one in focus, else the first without a grade. */
function focused() {
  const field = document.activeElement?.closest("fieldset");
  const name = field?.id.replace("criterion-", "");
  return data.criteria.find((criterion) => criterion.name === name)
    ?? ungraded(entryOf(current().id))[0] ?? data.criteria[0];
}

function focusOn(criterion) {
  const radios = [...document.querySelectorAll(`#criterion-${criterion.name} input`)];
  (radios.find((radio) => radio.checked) ?? radios[0]).focus();
}

function mark() {
  const name = state.started && !byId("work").hidden ? focused().name : null;
  for (const field of document.querySelectorAll("#grades fieldset")) {
    field.classList.toggle("current", field.id === `criterion-${name}`);
  }
}

function screen(name) {
  for (const id of ["start", "work", "done"]) byId(id).hidden = id !== name;
  byId("moves").hidden = name !== "work";
  for (const id of ["export", "bar", "count"]) byId(id).hidden = name === "start" && !state.started;
}

/** Where progress is kept, and how far it is. */
function renderTop() {
  const { total, skipped, graded, done } = counts();
  byId("who").textContent = [data.annotator, state.name].filter(Boolean).join(" · ");
  byId("bar").max = total;
  byId("bar").value = done;
  byId("count").textContent = `${done} of ${total} done` + (skipped ? `, ${skipped} skipped` : "");
  byId("undo").disabled = past.length === 0;
  byId("summary").textContent = `${plural(graded, "item")} graded, ${skipped} skipped`
    + (done < total ? `, ${total - done} unfinished.` : ".")
    + " Export the CSV file and send it back; you can still change grades and export again.";
  byId("unfinished").hidden = done === total;
  byId("unkept").hidden = stored;
}

/** Say something that stays until the next step; nothing takes it away. */
function tell(text = "") {
  byId("message").textContent = text;
  byId("message").hidden = text === "";
}

/** Draw the two answers of a pair, A and then B. */
function renderSides(sides) {
  document.querySelectorAll(".side").forEach((section, place) => {
    section.querySelector(".item").textContent = sides[place].title;
    section.querySelector("blockquote").textContent = sides[place].rationale;
  });
}

/** Draw the current item; with `fresh` its grading fields, too, and the focus goes to its heading. */
function renderItem(changed, fresh) {
  const item = current();
  const entry = entryOf(item.id);
  byId("heading").textContent = `Item ${state.at + 1} of ${data.items.length}`;
  byId("heading").classList.toggle("skipped", entry.skipped);
  byId("skip").setAttribute("aria-pressed", String(entry.skipped));
  byId("back").disabled = state.at === 0;
  if (fresh) {
    byId("history-title").textContent = item.history.length
      ? `Bought before (${item.history.length}, oldest first)` : "Bought before: nothing";
    byId("history").hidden = item.history.length === 0;
    byId("history").firstElementChild.replaceChildren(
      ...item.history.map((line) => el("li", { dir: "auto" }, line)));
    byId("history").scrollTop = 0;
    if (data.pairs) renderSides(item.sides);
    else {
      byId("title").textContent = item.title;
      if (data.target) byId("target").textContent = item.target;
      byId("rationale").textContent = item.rationale;
    }
    byId("grades").replaceChildren(
      ...data.criteria.map((criterion) => criterionField(criterion, entry, changed)));
    byId("heading").focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  for (const { name } of data.criteria) {
    for (const radio of document.querySelectorAll(`#criterion-${name} input`)) {
      radio.checked = gradeOf(entry, name) === Number(radio.value);
    }
  }
  if (byId("note").value !== entry.note) byId("note").value = entry.note;
  mark();
}
