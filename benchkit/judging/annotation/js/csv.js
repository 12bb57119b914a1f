// The file that goes back: a row an item and criterion. What is written can be read in again.

const COLUMNS = ["batch", "annotator", "name", "id", "criterion", "grade", "skipped", "note", "seconds"];

// What a spreadsheet would compute is marked as a text by an apostrophe (benchkit/csv_cells.py).
const FORMULA = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+](inf|nan)$/;
const marked = (text) => (text !== "-" && FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text);
const unmarked = (text) => (text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text);

const field = (value) => {
  const text = marked(String(value));
  return /[",;\t\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** The items that were touched, as CSV; the byte order mark has spreadsheets read it as UTF-8. */
function exported() {
  const lines = [COLUMNS];
  for (const { id } of data.items) {
    const entry = entryOf(id);
    if (!touched(entry)) continue;
    for (const { name } of data.criteria) {
      const seconds = (state.seconds[id] ?? 0).toFixed(1);
      lines.push([data.batch, data.annotator, state.name, id, name, gradeOf(entry, name) ?? "",
        entry.skipped ? 1 : 0, entry.note, seconds]);
    }
  }
  return "\ufeff" + lines.map((line) => line.map(field).join(",") + "\r\n").join("");
}

/** Rows of fields; quotes as in RFC 4180. */
function parsed(text) {
  const clean = text.replace(/^\ufeff/, "");
  const head = clean.split("\n", 1)[0];
  const [separator] = [",", ";", "\t"].sort((a, b) => head.split(b).length - head.split(a).length);
  const rows = [];
  let row = [], value = "", quoted = false;
  for (let i = 0; i < clean.length; i++) {
    const c = clean[i];
    if (quoted) {
      if (c !== '"') value += c;
      else if (clean[i + 1] === '"') value += clean[++i];
      else quoted = false;
    } else if (c === '"' && value === "") quoted = true;
    else if (c === separator) { row.push(value); value = ""; }
    else if (c === "\n") {
      row.push(value.replace(/\r$/, ""));
      rows.push(row);
      row = [];
      value = "";
    } else value += c;
  }
  if (quoted) throw new Error("a quoted text does not end");
  if (value !== "" || row.length) rows.push([...row, value]);
  return rows.filter((fields) => fields.length > 1 || fields[0] !== "");
}

/** What a file of this page says: {name, entries, seconds}. Throws an Error that says what is wrong. */
function imported(text) {
  const [head, ...rows] = parsed(text);
  const missing = COLUMNS.filter((name) => !(head ?? []).includes(name));
  if (missing.length) throw new Error(`it has no column "${missing[0]}"`);
  const found = { name: "", entries: {}, seconds: {} };
  rows.forEach((fields, place) => {
    const row = Object.fromEntries(head.map((name, i) => [name, fields[i] === undefined ? undefined : unmarked(fields[i])]));
    const problem = addRow(row, found, fields.length === head.length);
    if (problem) throw new Error(`row ${place + 1}: ${problem}`);
  });
  return found;
}

/** Add a row to `found`, or return what is wrong with it. */
function addRow(row, found, whole) {
  if (!whole) return "it has not as many fields as columns";
  if (row.batch !== data.batch) return `it is of another batch (${row.batch})`;
  if (row.annotator !== data.annotator) return `it is of ${row.annotator}, and this page of ${data.annotator}`;
  if (!byItem.has(row.id)) return `there is no item ${row.id}`;
  const criterion = data.criteria.find(({ name }) => name === row.criterion);
  if (!criterion) return `there is no criterion ${row.criterion}`;
  const grade = row.grade.trim() === "" ? undefined : Number(row.grade);
  if (grade !== undefined && !criterion.grades.some((level) => level.grade === grade)) {
    return `${row.grade} is no grade of ${row.criterion}`;
  }
  const skipped = /^(1|true)$/i.test(row.skipped.trim());
  const before = found.entries[row.id] ?? UNTOUCHED;
  const grades = { ...before.grades };
  delete grades[row.criterion]; // the last row of a criterion counts
  if (grade !== undefined && !skipped) grades[row.criterion] = grade;
  found.entries[row.id] = { grades: skipped ? {} : grades, skipped, note: row.note.replaceAll("\r\n", "\n") };
  found.seconds[row.id] = Math.max(0, Number(row.seconds) || 0);
  found.name ||= row.name;
  return "";
}
