// Elements of the page. Text from the data is only ever inserted as text.

const byId = (id) => document.getElementById(id);

function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text from the data, isolated so that its writing direction does not affect its surroundings. */
const bdi = (text) => el("bdi", { dir: "auto" }, text);
/** A list of isolated texts with commas. */
const joined = (texts) => texts.flatMap((text, i) => [i ? ", " : null, bdi(text)]);
/** The name of a method, which may break after its slashes. */
const nameOf = (label) => el("bdi", { dir: "auto" },
  label.split(/(?<=\/)/).flatMap((part, i) => (i ? [el("wbr"), part] : [part])));
const hidden = (text) => el("span", { class: "hidden" }, text);

const WIDTH = 104, HEIGHT = 9, MARGIN = 3;

/** A mean with its interval and a reference line (chance, or no difference) on a shared axis. */
function bar([from, to], mean, low, high, reference, kind = "chance") {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const at = (value) =>
    (MARGIN + ((value - from) / (to - from || 1)) * (WIDTH - 2 * MARGIN)).toFixed(1);
  const add = (tag, props) => {
    const shape = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(props)) shape.setAttribute(name, value);
    svg.append(shape);
  };
  svg.setAttribute("class", "bar");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("width", WIDTH);
  svg.setAttribute("height", HEIGHT);
  svg.setAttribute("aria-hidden", "true");
  const middle = HEIGHT / 2;
  add("path", { class: "axis", d: `M${MARGIN} ${middle}H${WIDTH - MARGIN}` });
  if (reference !== null) add("path", { class: kind, d: `M${at(reference)} 0V${HEIGHT}` });
  if (low !== null) add("path", { class: "interval", d: `M${at(low)} ${middle}H${at(high)}` });
  add("circle", { class: "mean", cx: at(mean), cy: middle, r: 2.6 });
  return svg;
}

/** A number with three digits and no leading zero, as the tables print rates. */
const rate = (value, digits = 3) => value.toFixed(digits).replace(/^(-?)0\./, "$1.").replace("-", "−");
const signed = (value) => (Math.abs(value) < 0.0005 ? ".000" : (value > 0 ? "+" : "") + rate(value));
const pValue = (p) => (p < 0.0001 ? "< .0001" : p < 0.001 ? p.toFixed(4).slice(1) : rate(p));
const superscript = (numbers) =>
  numbers.map((n) => [...String(n)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")).join(",");
