// The browser of rows: filters, search, pages of the list, the row chosen, keys.

const PAGE = 50;
const view = { found: [], page: 0, row: null, terms: [], hasKeys: true };
const byId = (id) => document.getElementById(id);
let searches = 0;

function drawFilters() {
  const { rows } = held.index;
  const form = byId("filters");
  const search = el("input", {
    type: "search",
    id: "search",
    name: "search",
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
    "aria-describedby": "search-hint",
  });
  const scope = el(
    "select",
    { name: "scope" },
    el("option", { value: "all" }, "all texts"),
    el("option", { value: "queries" }, "queries"),
  );
  const order = el(
    "select",
    { name: "order" },
    Object.entries(ORDERS).map(([value, [text]]) => el("option", { value }, text)),
  );
  const selects = FILTERS.filter((name) => name !== "version" || rows.version.values.length > 1).map((name) =>
    filterOf(name, rows[name]),
  );
  const hint =
    "Every word has to be in one text of the row; words in quotes stand together. Accents and case make no difference.";
  const labelled = (text, control) => el("label", {}, el("span", {}, text), control);
  put(form, [
    el("div", { class: "searching" }, labelled("Search", search), labelled("in", scope)),
    el("p", { id: "search-hint", class: "unseen" }, hint),
    // where the screen is narrow the list comes first
    el(
      "details",
      { open: matchMedia("(min-width: 56rem)").matches },
      el("summary", {}, "Filters and order"),
      el("div", { class: "choices" }, selects, labelled("order", order)),
    ),
  ]);
  let timer;
  form.addEventListener("submit", (event) => (event.preventDefault(), show()));
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    byId("list").setAttribute("aria-busy", "true");
    timer = setTimeout(show, event.target === search ? 120 : 0);
  });
}

function filterOf(name, column) {
  const counts = new Array(column.values.length).fill(0);
  for (const value of column.codes) counts[value]++;
  const options = column.values.map((value, at) =>
    el("option", { value: String(value) }, `${value} (${number(counts[at])})`),
  );
  return el(
    "label",
    {},
    el("span", {}, name === "version" ? "triplets" : name),
    el("select", { name }, el("option", { value: "" }, "all"), options),
  );
}

// Filter, search, order; then the first page, or the page of the row that is shown.
async function show() {
  const mine = ++searches;
  byId("list").setAttribute("aria-busy", "true");
  const form = new FormData(byId("filters"));
  const terms = termsOf(form.get("search"));
  const slow = setTimeout(() => fill(byId("count"), "Searching…"), 300);
  const isStale = () => mine !== searches;
  const rows = await searched(filtered(Object.fromEntries(form)), terms, form.get("scope"), isStale);
  if (form.get("order") !== "drawn") await until(() => held.hasIndex, isStale);
  clearTimeout(slow);
  if (!rows || isStale()) return;
  Object.assign(view, { found: ordered(rows, form.get("order")), terms });
  const at = view.row === null ? -1 : view.found.indexOf(view.row);
  view.page = at < 0 ? 0 : Math.floor(at / PAGE);
  fill(byId("count"), `${number(view.found.length)} of ${plural(held.index.rows.id.length, "row")}`);
  drawPage();
  byId("list").setAttribute("aria-busy", "false");
  if (view.row !== null) drawDetail();
}

function drawPage() {
  const first = view.page * PAGE;
  const rows = view.found.slice(first, first + PAGE);
  const reachable = rows.includes(view.row) ? view.row : rows[0];
  const list = byId("list");
  const hadFocus = list.contains(document.activeElement);
  list.setAttribute("start", first + 1);
  fill(
    list,
    rows.map((row) => item(row, row === reachable)),
  );
  if (hadFocus) list.querySelector('a[tabindex="0"]')?.focus({ preventScroll: true });
  const pages = Math.max(Math.ceil(view.found.length / PAGE), 1);
  fill(
    byId("page"),
    view.found.length
      ? `${number(first + 1)}–${number(first + rows.length)} of ${number(view.found.length)}`
      : "No row",
  );
  byId("previous").disabled = view.page === 0;
  byId("next").disabled = view.page >= pages - 1;
}

const hashOf = (row) => {
  const id = `#row=${encodeURIComponent(held.index.rows.id[row])}`;
  return held.index.rows.id.indexOf(held.index.rows.id[row]) === row
    ? id
    : `${id}&in=${encodeURIComponent(rowValue("version", row))}`;
};

// One stop of the tab key for the whole list; arrows go on from there.
function item(row, isReachable) {
  const query = queryOf(row);
  const start = query.text.slice(0, 200);
  const link = el(
    "a",
    {
      href: hashOf(row),
      "data-row": row,
      tabindex: isReachable ? "0" : "-1",
      "aria-current": row === view.row ? "true" : null,
    },
    el(
      "span",
      { class: "query", dir: "auto", lang: rowValue("language", row) },
      query.isLost ? query.id : marked(start, view.terms),
      query.length > 200 ? "…" : null,
    ),
    el(
      "span",
      { class: "tags soft" },
      [rowValue("method", row), rowValue("language", row), rowValue("source", row)].join(" · "),
    ),
  );
  return el("li", {}, link);
}

function drawDetail() {
  const detail = byId("detail");
  if (view.row === null) return fill(detail, el("p", { class: "soft empty" }, "Choose a row to see it whole."));
  if (!held.hasIndex) return fill(detail, el("p", { class: "soft empty" }, "This row is being read…"));
  const back = el("button", { type: "button", class: "quiet back", onclick: () => toList() }, "Back to the list");
  const hadFocus = detail.contains(document.activeElement);
  fill(detail, back, detailOf(view.row, view.terms));
  if (hadFocus) byId("query").focus({ preventScroll: true });
}

// Show the row; its page of the list too where the list holds it.
function choose(row, { focus = null, keep = false } = {}) {
  const isOther = row !== view.row;
  view.row = row;
  const at = view.found.indexOf(row);
  if (at >= 0) view.page = Math.floor(at / PAGE);
  drawPage();
  drawDetail();
  if (isOther) byId("detail").scrollTop = 0;
  if (!keep) history.replaceState(null, "", hashOf(row));
  byId("browser").classList.toggle("chosen", focus !== "list");
  if (focus === "list") linkOf(row)?.focus();
  else linkOf(row)?.scrollIntoView({ block: "nearest" });
  if (focus === "detail") byId("query")?.focus({ preventScroll: true });
}

const linkOf = (row) => byId("list").querySelector(`a[data-row="${row}"]`);

function toList() {
  byId("browser").classList.remove("chosen");
  (linkOf(view.row) ?? byId("list").querySelector("a"))?.focus();
}

function step(by, focus) {
  if (!view.found.length) return;
  const at = view.found.indexOf(view.row);
  const next = at < 0 ? view.page * PAGE : Math.min(Math.max(at + by, 0), view.found.length - 1);
  choose(view.found[next], { focus });
}

function turn(by) {
  const pages = Math.ceil(view.found.length / PAGE);
  view.page = Math.min(Math.max(view.page + by, 0), Math.max(pages - 1, 0));
  drawPage();
  byId("list").scrollTop = 0;
}

const KEYS = [
  ["↓ or j", "next row"],
  ["↑ or k", "row before"],
  ["Page Down, Page Up", "50 rows on, 50 back (in the list)"],
  ["Home, End", "first row, last row (in the list)"],
  ["Enter", "from the list into the row"],
  ["/", "search"],
  ["Escape", "clear the search; from a row back to the list"],
];

function drawKeys() {
  const toggle = el("input", {
    type: "checkbox",
    checked: true,
    onchange: (event) => (view.hasKeys = event.target.checked),
  });
  fill(
    byId("keys"),
    el(
      "dl",
      { class: "pairs" },
      KEYS.map(([key, what]) => el("div", {}, el("dt", {}, key), el("dd", {}, what))),
    ),
    el("label", {}, toggle, " j, k and / are keys"),
  );
}

const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE, Home: -Infinity, End: Infinity };

function onKey(event) {
  if (document.documentElement.dataset.view !== "rows" || event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input, select, textarea");
  const inList = byId("list").contains(event.target);
  if (event.key === "Escape") return escape(event);
  if (isTyping) return;
  if (inList && event.key in MOVES) step(MOVES[event.key], "list");
  else if (view.hasKeys && event.key === "j")
    step(1, inList || !byId("detail").contains(event.target) ? "list" : "detail");
  else if (view.hasKeys && event.key === "k")
    step(-1, inList || !byId("detail").contains(event.target) ? "list" : "detail");
  else if (view.hasKeys && event.key === "/") (byId("browser").classList.remove("chosen"), byId("search").focus());
  else return;
  event.preventDefault();
}

function escape(event) {
  const search = byId("search");
  if (event.target === search && search.value) {
    search.value = "";
    show();
  } else toList();
  event.preventDefault();
}

function startRows() {
  drawFilters();
  drawKeys();
  const { triplets, levels, cut, bytes } = held.index.said;
  const count = held.index.rows.id.length;
  const said = [
    count < triplets
      ? `${number(count)} of ${plural(triplets, "triplet")}, drawn so that each method, language and source has its share.`
      : `All ${plural(triplets, "triplet")}.`,
    `Texts longer than ${number(cut)} characters are cut.`,
  ];
  if (levels !== null)
    said.push(
      levels
        ? `To stay below ${number(bytes / 1e6)} MB the texts of a row's negatives are here for the first ${number(levels)} alone.`
        : `To stay below ${number(bytes / 1e6)} MB the texts of negatives are left out.`,
    );
  fill(byId("said"), said.join(" "));
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  byId("list").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.getAttribute("href"));
    choose(Number(link.dataset.row), { focus: "detail", keep: true });
  });
  document.addEventListener("keydown", onKey);
  drawDetail();
  return show();
}
