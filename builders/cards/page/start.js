// Reads the data, draws the page, and follows the address.

const THEMES = { system: "Colours: system", light: "Colours: light", dark: "Colours: dark" };

function startTheme() {
  const button = document.getElementById("theme");
  const kept = () => {
    try {
      return localStorage.getItem("theme") ?? "system";
    } catch {
      return "system"; // a file may not be allowed to keep anything
    }
  };
  const set = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    fill(button, THEMES[theme]);
    button.dataset.theme = theme;
  };
  set(kept() in THEMES ? kept() : "system");
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const theme = names[(names.indexOf(button.dataset.theme) + 1) % names.length];
    set(theme);
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // not kept: the next page starts as the system is
    }
  });
}

const PARTS = [
  ["overview", "Overview"],
  ["rows", "Rows"],
  ["checks", "Checks"],
  ["audit", "Audit"],
  ["contamination", "Contamination"],
  ["distributions", "Distributions"],
  ["stages", "How it was made"],
  ["prompts", "Prompts"],
];

function drawNav() {
  const isRows = /^#rows?(=|$)/.test(location.hash);
  document.documentElement.dataset.view = isRows ? "rows" : "report";
  fill(
    document.getElementById("nav"),
    PARTS.map(([id, title]) => el("li", {}, el("a", { href: `#${id}` }, title))),
  );
}

function drawReport(facts) {
  fill(
    document.getElementById("report"),
    overviewSection(facts),
    checksSection(facts.quality),
    auditSection(facts.audit),
    contaminationSection(facts.contamination),
    distributionsSection(facts),
    stagesSection(facts),
    promptsSection(facts.prompts),
  );
}

// #row=ID and #rows show the browser of rows, any other name its part of the report.
// The keyboard follows too, but not where the page has just been opened.
function follow(isOpened = false) {
  const hash = location.hash.slice(1);
  if (hash === "main") return;
  const isRows = hash === "rows" || hash.startsWith("row=");
  document.documentElement.dataset.view = isRows ? "rows" : "report";
  for (const link of document.querySelectorAll("#nav a")) {
    const isHere = link.hash === (isRows ? "#rows" : location.hash || "#overview");
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (hash.startsWith("row=")) return followRow(new URLSearchParams(hash.replaceAll("+", "%2B")));
  if (isRows) return document.getElementById("browser").classList.remove("chosen");
  const target = document.getElementById(decoded(hash));
  if (!target) return;
  target.scrollIntoView();
  if (!isOpened) (target.querySelector(":scope > h2") ?? target).focus({ preventScroll: true });
  const inside = target.id.startsWith("prompt-") && target.querySelector("details");
  if (inside) inside.open = true;
}

function followRow(asked) {
  const { rows } = held.index;
  const row = rows.id.findIndex(
    (id, at) => id === asked.get("row") && (!asked.has("in") || rowValue("version", at) === asked.get("in")),
  );
  if (row >= 0) return choose(row, { keep: true });
  view.row = null;
  fill(
    document.getElementById("detail"),
    el("p", { class: "soft empty" }, "The row ", code(asked.get("row")), " is not on this page."),
  );
  document.getElementById("browser").classList.add("chosen");
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function start() {
  startTheme();
  if (typeof DecompressionStream === "undefined")
    throw new Error("This browser is too old for the page: it cannot read compressed data.");
  await readFirst();
  drawNav();
  await startRows();
  performance.mark("rows-usable");
  await pause();
  drawReport(held.facts);
  follow(true);
  addEventListener("hashchange", () => follow());
  await readIndex();
  if (view.row !== null) drawDetail();
  await readTexts();
  if (view.row !== null) drawDetail();
  performance.mark("texts-read");
  document.documentElement.dataset.ready = "true";
  await foldAhead();
}

start().catch((fault) => {
  const told = document.getElementById("fault");
  told.hidden = false;
  fill(told, `The page could not be drawn: ${fault.message}`);
  throw fault;
});
