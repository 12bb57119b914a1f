// Making elements. Text only ever gets in as text.

const byId = (id) => document.getElementById(id);

function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const title = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("-", " ");

/** Have it said by a screen reader; the same words twice are said twice. */
function say(text) {
  const live = byId("live");
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}

/** The rubric as a list: criteria with what each grade means. */
function rubric() {
  return data.criteria.map((criterion) =>
    el("div", { class: "criterion-text" },
      el("h4", {}, title(criterion.name)),
      el("p", {}, criterion.description),
      el("dl", { class: "levels" }, criterion.grades.filter(({ level }) => level).map(levelLine))));
}

const levelLine = ({ grade, level }) => [
  el("dt", {}, String(grade)),
  el("dd", {}, level),
];

const shortcuts = () =>
  SHORTCUTS.flatMap(([keys, what]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, what)]);

/** The field of a criterion: a row a grade where all have words, else a scale and words below. */
function criterionField(criterion, entry, changed) {
  const rows = criterion.grades.every(({ level }) => level);
  const about = `about-${criterion.name}`;
  const options = criterion.grades.map((level) => option(criterion, level, rows, entry, changed));
  const words = criterion.grades.filter(({ level }) => level);
  const [least, most] = [criterion.grades[0], criterion.grades.at(-1)];
  // Of a Likert scale only the ends have words, and stand where the ends are.
  const ends = !rows && words.length === 2 && least.level && most.level;
  return el("fieldset", { id: `criterion-${criterion.name}`, "aria-describedby": about },
    el("legend", {}, title(criterion.name)),
    el("p", { class: "muted", id: about }, criterion.description),
    el("div", { class: rows ? "rows" : options.length > 7 ? "scale" : "scale seven" }, options),
    ends ? el("p", { class: "ends", "aria-hidden": "true" }, el("span", {}, least.level), el("span", {}, most.level)) : null,
    rows || ends ? null : el("dl", { class: "levels", "aria-hidden": "true" }, words.map(levelLine)));
}

function option(criterion, { grade, key, level }, rows, entry, changed) {
  const input = el("input", {
    type: "radio", name: criterion.name, value: grade,
    checked: gradeOf(entry, criterion.name) === grade,
  });
  input.addEventListener("change", () => changed(criterion, grade));
  const shown = [el("span", { class: "grade" }, String(grade))];
  if (key && key !== String(grade)) shown.push(el("kbd", { "aria-label": `key ${key}` }, key));
  if (level) shown.push(el("span", { class: rows ? "level" : "hidden" }, rows ? level : `: ${level}`));
  return el("label", {}, input, shown);
}
