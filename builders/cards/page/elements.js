// Elements made of data: every string becomes a text node, never markup.

// A property that starts with "on" is a listener; null and false leave an attribute out.
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  put(element, children);
  return element;
}

function put(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
}

function fill(element, ...children) {
  element.replaceChildren();
  put(element, children);
}

function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  put(element, children);
  return element;
}

// Data in a line of ours keeps its direction to itself.
const bdi = (text) => el("bdi", {}, text);
const code = (text) => el("code", { dir: "auto" }, text);

const whole = new Intl.NumberFormat("en-GB");
const number = (value) => (value === null || value === undefined ? "–" : whole.format(value));
const share = (value, digits = 1) =>
  value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)}%`;

// As many decimals as tell the scores of a ranking apart: fused ones are about 0.02, BM25 goes to 50.
function score(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 10 ? 2 : size >= 0.1 ? 3 : 4);
}

const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

const stageName = (stage) => `${stage.table}/${stage.version.split("/").at(-1)}`;

// To what the page says of a version (table/name, or a name alone) or of a prompt; plain where it says nothing.
function stageLink(version) {
  const name = held.facts.stages.map(stageName).find((one) => one === version || one.endsWith(`/${version}`));
  return name ? el("a", { href: `#${encodeURIComponent(`stage-${name}`)}` }, name) : code(version);
}

function promptLink(version) {
  const isThere = held.facts.prompts.some((prompt) => prompt.version === version);
  return isThere ? el("a", { href: `#${encodeURIComponent(`prompt-${version}`)}` }, version) : code(version);
}

// "name: value" pairs.
function pairs(entries) {
  const list = el("dl", { class: "pairs" });
  for (const [name, value] of entries) {
    if (value === null || value === undefined || value === "") continue;
    list.append(el("div", {}, el("dt", {}, name), el("dd", { dir: typeof value === "string" ? "auto" : null }, value)));
  }
  return list;
}

function folded(summary, ...children) {
  return el("details", {}, el("summary", {}, summary), ...children);
}

// A table whose columns are {title, value: row => text or nodes, by: row => what it sorts by, numeric, head}.
// Columns with `by` sort when their head is pressed; `caption` names the table.
function table(caption, columns, rows, { tall = false } = {}) {
  const body = el("tbody");
  const draw = (ordered) =>
    fill(
      body,
      ordered.map((row) =>
        el(
          "tr",
          {},
          columns.map((column) => cell(column, row)),
        ),
      ),
    );
  const heads = columns.map((column) => {
    const head = el("th", { scope: "col", class: column.numeric ? "n" : null });
    if (!column.by) put(head, [column.title]);
    else {
      const press = () => {
        const down = head.getAttribute("aria-sort") === (column.numeric ? "descending" : "ascending");
        const sign = down === Boolean(column.numeric) ? 1 : -1;
        for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        draw([...rows].sort((a, b) => sign * compared(column.by(a), column.by(b))));
      };
      head.setAttribute("aria-sort", "none");
      head.append(el("button", { type: "button", class: "sort", onclick: press }, column.title));
    }
    return head;
  });
  draw(rows);
  const made = el("table", {}, el("caption", { class: "unseen" }, caption), el("thead", {}, el("tr", {}, heads)), body);
  // a table wider than the screen scrolls by itself, and the keyboard can reach it to do so
  return el("div", { class: tall ? "wide tall" : "wide", tabindex: "0", role: "group", "aria-label": caption }, made);
}

function cell(column, row) {
  const properties = { class: column.numeric ? "n" : (column.class ?? null) };
  return column.head
    ? el("th", { scope: "row", ...properties }, column.value(row))
    : el("td", properties, column.value(row));
}

function compared(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en");
}
