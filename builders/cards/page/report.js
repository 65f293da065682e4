// The sections that say whether the rows can be trusted: checks, audit, contamination.

function section(id, title, ...children) {
  return el(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title`, tabindex: "-1" }, title),
    ...children,
  );
}

const STATUS = { passed: ["✓", "passed"], failed: ["✗", "failed"], not_run: ["–", "not run"] };

function statusOf(check) {
  const [sign, word] = STATUS[check.status];
  const kind = check.status === "failed" ? check.severity : check.status;
  return el("span", { class: `status ${kind}` }, el("span", { "aria-hidden": "true" }, sign), " ", word);
}

const URGENCY = ["failed", "not_run", "passed"];

function checksSection(quality) {
  const urgent = [...quality.checks].sort((a, b) => URGENCY.indexOf(a.status) - URGENCY.indexOf(b.status));
  const choose = (label, values) =>
    el(
      "label",
      {},
      label,
      " ",
      el(
        "select",
        { onchange: () => draw() },
        values.map(([value, text]) => el("option", { value }, text)),
      ),
    );
  const status = choose("Status", [
    ["", "all"],
    ["failed", "failed"],
    ["passed", "passed"],
    ["not_run", "not run"],
  ]);
  const severity = choose("Severity", [
    ["", "all"],
    ["error", "error"],
    ["warning", "warning"],
  ]);
  const words = el("input", { type: "search", oninput: () => draw() });
  const count = el("p", { role: "status", class: "soft" });
  const holder = el("div");

  function draw() {
    const [wanted, severe, term] = [
      status.querySelector("select").value,
      severity.querySelector("select").value,
      fold(words.value.trim()),
    ];
    const shown = urgent.filter(
      (check) =>
        (!wanted || check.status === wanted) &&
        (!severe || check.severity === severe) &&
        fold(`${check.name} ${check.reason} ${check.tables.join(" ")}`).includes(term),
    );
    fill(count, `${number(shown.length)} of ${plural(quality.checks.length, "check")}`);
    // a hundred checks of single columns that found nothing are told in one line
    const isQuiet = (check) => check.name.startsWith("schema.") && check.status !== "failed";
    const [told, quiet] = [shown.filter((check) => !isQuiet(check)), shown.filter(isQuiet)];
    const more = quiet.length
      ? folded(`${plural(quiet.length, "check")} of columns by their schemas`, checkTable(quiet))
      : null;
    if (more && (wanted || severe || term || !told.length)) more.open = true;
    fill(holder, told.length ? checkTable(told) : null, more);
  }
  draw();
  const verdict = quality.errors
    ? `${plural(quality.errors, "error")}: this release must not be published.`
    : `No error. ${quality.warnings ? plural(quality.warnings, "warning") + "." : "No warning."}`;
  const tools = el("div", { class: "tools" }, status, severity, el("label", {}, "Search ", words));
  return section("checks", "Checks", el("p", { class: "lead" }, verdict), tools, count, holder);
}

function checkTable(checks) {
  return table(
    "Checks",
    [
      {
        title: "check",
        value: (check) => [code(check.name), el("div", { class: "reason" }, check.reason), exampleList(check)],
        by: (check) => check.name,
        head: true,
        class: "prose",
      },
      { title: "severity", value: (check) => check.severity, by: (check) => check.severity },
      { title: "status", value: statusOf, by: (check) => URGENCY.indexOf(check.status) },
      { title: "examined", value: (check) => number(check.examined), by: (check) => check.examined, numeric: true },
      { title: "failing", value: (check) => number(check.failing), by: (check) => check.failing, numeric: true },
      {
        title: "allowed",
        value: (check) => (check.threshold ? share(check.threshold, 0) : "none"),
        by: (check) => check.threshold,
        numeric: true,
      },
      { title: "tables", value: (check) => check.tables.join(", ") },
    ],
    checks,
  );
}

function exampleList(check) {
  if (!check.examples.length) return null;
  const items = check.examples.map((one) => el("li", {}, code(one.key), " ", bdi(one.detail)));
  return folded(
    `${plural(check.examples.length, "example")} of ${number(check.failing)}`,
    el("ul", { class: "examples" }, items),
  );
}

function auditSection(audits) {
  if (!audits.length)
    return section(
      "audit",
      "Audit",
      el("p", {}, "No second opinions were asked for: how many negatives are really positives is not known."),
    );
  return section("audit", "Audit", audits.map(auditOf));
}

function auditOf(audit) {
  // that of the negatives, where there are any
  const ofSide = audit.strata.some((one) => one.side === "negative") ? "negatives" : "positives";
  const told = pairs([
    ["opinions", stageLink(audit.version)],
    ["of", audit.triplets.join(", ")],
    ["pairs judged", number(audit.pairs)],
    ["judged by", audit.opinions.join(", ")],
    [`agreement on ${ofSide}`, share(audit.agreement)],
    ["Cohen's kappa", audit.kappa === null ? "–" : audit.kappa.toFixed(2)],
    ["policy", audit.policy],
  ]);
  return el(
    "div",
    {},
    told,
    ["negative", "positive"].map((side) => strata(audit, side)),
  );
}

// Of negatives the rate says how many are false; of positives, how many are surely true: on the rest one differs.
function strata(audit, side) {
  const rows = audit.strata.filter((one) => one.side === side);
  if (!rows.length) return null;
  const title = side === "negative" ? "Negatives that both call relevant (false negatives)" : "Positives that both call relevant";
  const columns = [
    { title: "by", value: (one) => one.by, by: (one) => one.by },
    { title: "of", value: (one) => bdi(one.value ?? "all"), by: (one) => one.value, head: true },
    { title: "pairs", value: (one) => number(one.pairs), by: (one) => one.pairs, numeric: true },
    { title: "relevant", value: (one) => number(one.relevant), by: (one) => one.relevant, numeric: true },
    { title: "rate", value: (one) => barred(one.rate, 1, share(one.rate)), by: (one) => one.rate, numeric: true },
    { title: "95% interval", value: (one) => `${share(one.low)} to ${share(one.high)}`, numeric: true },
  ];
  return el("div", {}, el("h3", {}, title), table(title, columns, rows));
}

function contaminationSection(found) {
  if (!found.length)
    return section("contamination", "Contamination", el("p", {}, "The rows were compared with no evaluation set."));
  return section("contamination", "Contamination", found.map(contaminationOf));
}

function contaminationOf(one) {
  const sets = one.sets.map(
    (set) => `${set.name} (${plural(set.queries, "query", "queries")}, ${plural(set.documents, "document")})`,
  );
  const told = pairs([
    ["overlaps", stageLink(one.version)],
    ["compared with", sets.join(", ")],
    ["examined", `${plural(one.examined.queries, "query", "queries")}, ${plural(one.examined.positives, "positive")}`],
    ["policy", one.policy],
  ]);
  if (!one.overlaps.length) return el("div", {}, told, el("p", {}, "Nothing in common was found."));
  const columns = [
    { title: "evaluation set", value: (row) => bdi(row.set), by: (row) => row.set, head: true },
    { title: "its", value: (row) => row.role, by: (row) => row.role },
    { title: "found in", value: (row) => row.kind, by: (row) => row.kind },
    { title: "match", value: (row) => row.match, by: (row) => row.match },
    { title: "texts", value: (row) => number(row.texts), by: (row) => row.texts, numeric: true },
    { title: "rows", value: (row) => number(row.rows), by: (row) => row.rows, numeric: true },
  ];
  return el("div", {}, told, table("Overlaps with evaluation sets", columns, one.overlaps));
}
