// What keys do, in the order that help shows them.

const SHORTCUTS = [
  ["0 … 9", "give this grade for the criterion in focus, then go to the next criterion"],
  ["Tab", "go to the next criterion, Shift+Tab to the one before"],
  ["→ or Enter", "next item"],
  ["←", "item before"],
  ["s", "skip the item, or take that back"],
  ["n", "write a note; Esc leaves it"],
  ["u", "undo the last change"],
  ["?", "this help"],
];

/** The name of what a key press asks for, or null: it belongs to the field, or to the browser. */
function action(event, singles) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  const typing = target.matches("textarea, input:not([type=radio])");
  if (typing) return target.id === "note" && key === "Escape" ? "leave" : null;
  if (key === "ArrowRight") return "next";
  if (key === "ArrowLeft") return "back";
  // Enter on a button presses that button.
  if (key === "Enter") return target.matches("button, a") ? null : "next";
  if (!singles) return null;
  if (/^[0-9]$/.test(key)) return "grade";
  return { n: "note", s: "skip", u: "undo", "?": "help" }[key.toLowerCase()] ?? null;
}
