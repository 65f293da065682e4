// The sections that say what a release holds and how it was made: overview, distributions, stages, prompts.

const most = (rows, name) => Math.max(...rows.map((row) => row[name] ?? 0), 1);

// A column of counts with bars.
const counted = (title, rows, name = title) => {
  const longest = most(rows, name);
  return { title, value: (row) => barred(row[name], longest), by: (row) => row[name], numeric: true };
};

const namedBy = (title, name = "name") => ({ title, value: (row) => bdi(row[name]), by: (row) => row[name], head: true });

function overviewSection(facts) {
  const rowsOf = (name) => facts.configs.find((config) => config.name === name)?.splits.reduce((sum, split) => sum + split.rows, 0);
  const totals = [
    ["triplets", rowsOf("triplets")],
    ["queries", rowsOf("queries")],
    ["chunks", rowsOf("corpus")],
    ["languages", facts.languages.length],
    ["sources", facts.sources.length],
    ["checks failed", facts.quality.errors + facts.quality.warnings],
  ].filter(([, value]) => value !== undefined);
  const stats = el("dl", { class: "stats" }, totals.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, number(value)))));
  const told = pairs([
    ["licence", facts.licence.strictest],
    ["release", facts.release],
    ["content", code(facts.content_hash)],
    ["made", el("time", { datetime: facts.finished }, facts.finished.slice(0, 10))],
    ["repository", facts.repository],
  ]);
  return section("overview", "Overview", facts.description ? el("p", { class: "lead", dir: "auto" }, facts.description) : null, stats, told, inside(facts));
}

function inside(facts) {
  const splits = facts.configs.flatMap((config) => config.splits.map((split) => ({ config: config.name, description: config.description, ...split })));
  const parts = [
    ["Parts", table("Parts of the release", [namedBy("part", "config"), { title: "split", value: (row) => row.name ?? row.split }, counted("rows", splits), { title: "size", value: (row) => size(row.bytes), by: (row) => row.bytes, numeric: true }, { title: "holds", value: (row) => row.description }], splits)],
    ["Methods", table("Methods", [namedBy("method"), ...["queries", "triplets", "positives", "negatives"].map((name) => counted(name, facts.methods))], facts.methods)],
    ["Languages", table("Languages", [namedBy("language", "code"), ...["chunks", "queries", "triplets"].map((name) => counted(name, facts.languages))], facts.languages)],
    ["Sources", table("Sources", [namedBy("source"), ...["documents", "chunks", "queries", "triplets"].map((name) => counted(name, facts.sources)), { title: "licences", value: (row) => row.licences.join(", ") || "none stated" }], facts.sources)],
    ["Models", facts.models.length ? table("Models", [namedBy("model", "id"), { title: "revision", value: (row) => code(row.revision ?? "–") }, { title: "what it did", value: (row) => row.roles.join(", ") }, { title: "licence", value: (row) => row.licence ?? "none stated" }], facts.models) : null],
    ["Licences", table("Licences", [namedBy("of", "what"), { title: "licence", value: (row) => row.licence }], facts.licence.by)],
  ];
  const columns = facts.configs.map((config) => folded(`Columns of ${config.name}`, table(`Columns of ${config.name}`, [{ title: "column", value: (row) => code(row.name), head: true }, { title: "type", value: (row) => code(row.type) }, { title: "what it is", value: (row) => row.description }], config.columns)));
  return [...parts.filter(([, made]) => made).map(([title, made]) => el("div", {}, el("h3", {}, title), made)), el("h3", {}, "Columns"), ...columns];
}

const size = (bytes) => (bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`);

const HISTOGRAMS = [["query_words", "Words of a query"], ["chunk_tokens", "Tokens of a chunk"], ["negatives", "Negatives of a row"]];
const BANDS = ["1", "2..5", "6..10", "11..50", "not found"];

function distributionsSection(facts) {
  const drawn = facts.distributions;
  const charts = HISTOGRAMS.filter(([name]) => drawn[name]?.series.length).map(([name, title]) =>
    chartGroup(title, el("div", { class: "charts" }, drawn[name].series.map((series) => histogram(series, drawn[name].unit)))),
  );
  if (drawn.score_by_rank.length) charts.push(chartGroup("Score by rank", el("div", { class: "charts" }, scoreCharts(drawn.score_by_rank))));
  if (drawn.own_rank.length) charts.push(chartGroup("Rank of the query's own chunk", ownRanks(drawn.own_rank)));
  if (facts.retrieval.length) charts.push(chartGroup("Queries that find their own chunk", retrieval(facts.retrieval)));
  if (drawn.rejections.length) charts.push(chartGroup("Rejected rows by reason", rejections(drawn.rejections)));
  if (drawn.agreement.length) charts.push(chartGroup("Agreement of a judge with itself", agreement(drawn.agreement)));
  return section("distributions", "Distributions", charts);
}

const chartGroup = (title, ...children) => el("div", { class: "group" }, el("h3", {}, title), ...children);

// In the order of the first of each group.
function grouped(rows, keyOf) {
  const groups = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return groups;
}

const modelName = (name) => String(name).replace(/@[^+]*/g, "");

function scoreCharts(points) {
  const groups = grouped(points, (point) => JSON.stringify([point.version, point.retriever, point.method]));
  return [...groups.values()].map((group) => {
    const [{ retriever, method, version }] = group;
    return scoresByRank(`${method}, ${modelName(retriever)} (${version})`, [...group].sort((a, b) => a.rank - b.rank));
  });
}

function ownRanks(rows) {
  const groups = [...grouped(rows, (row) => JSON.stringify([row.version, row.method])).values()].map((group) => {
    const all = group.reduce((sum, row) => sum + row.queries, 0);
    return { version: group[0].version, method: group[0].method, all, shares: Object.fromEntries(group.map((row) => [row.band, row.queries / (all || 1)])) };
  });
  const bands = BANDS.map((band) => ({ title: band, value: (row) => barred(row.shares[band] ?? 0, 1, share(row.shares[band] ?? 0)), by: (row) => row.shares[band] ?? 0, numeric: true }));
  return table("Rank of the query's own chunk", [{ title: "candidates", value: (row) => stageLink(row.version), head: true }, { title: "method", value: (row) => row.method }, { title: "queries", value: (row) => number(row.all), numeric: true }, ...bands], groups);
}

function retrieval(rows) {
  const shares = [["first", "first"], ["in_10", "in the first 10"], ["in_50", "in the first 50"]].map(([name, title]) => ({ title, value: (row) => barred(row[name], 1, share(row[name])), by: (row) => row[name], numeric: true }));
  return table("Queries that find their own chunk", [{ title: "retriever", value: (row) => bdi(modelName(row.retriever)), by: (row) => row.retriever, head: true }, { title: "method", value: (row) => row.method, by: (row) => row.method }, { title: "language", value: (row) => row.language, by: (row) => row.language }, { title: "queries", value: (row) => number(row.queries), by: (row) => row.queries, numeric: true }, ...shares], rows);
}

function rejections(rows) {
  return table("Rejected rows by reason", [{ title: "table", value: (row) => row.table, by: (row) => row.table, head: true }, { title: "method", value: (row) => row.method ?? "–", by: (row) => row.method }, { title: "reason", value: (row) => row.reason.replaceAll("_", " "), by: (row) => row.reason }, counted("rows", rows)], rows);
}

function agreement(rows) {
  return table(
    "Agreement of a judge with itself when the candidates are shuffled",
    [
      { title: "preferences", value: (row) => stageLink(row.version), head: true },
      { title: "asked", value: (row) => row.preference_method },
      { title: "model", value: (row) => bdi(modelName(row.model)) },
      { title: "queries", value: (row) => number(row.queries), numeric: true },
      { title: "Kendall's tau", value: (row) => (row.rank_agreement === null ? "asked once" : row.rank_agreement.toFixed(2)), numeric: true },
      { title: "same first", value: (row) => (row.first_agreement === null ? "asked once" : barred(row.first_agreement, 1, share(row.first_agreement))), numeric: true },
    ],
    rows,
  );
}

function stagesSection(facts) {
  const stages = facts.stages.map((stage, at) => {
    const known = new Set(facts.stages.map((one) => one.version));
    const inputs = stage.inputs.map((name, place) => [place ? ", " : "", known.has(name) ? stageLink(name) : name]);
    const prompt = stage.prompt ? el("a", { href: `#${encodeURIComponent(`prompt-${stage.prompt.version}`)}` }, stage.prompt.version) : null;
    const told = pairs([
      ["made from", inputs.length ? inputs : null],
      ["rows", `${number(stage.rows_in)} in, ${number(stage.rows_out)} out, ${number(stage.rejected)} rejected`],
      ["rejected", Object.entries(stage.rejected_by_reason).map(([reason, rows]) => `${reason.replaceAll("_", " ")} ${number(rows)}`).join(", ")],
      ["counted", Object.entries(stage.counts).map(([name, rows]) => `${name} ${number(rows)}`).join(", ")],
      ["settings", settings(stage.config)],
      ["model", stage.model ? [bdi(stage.model.id), stage.model.revision ? [" at ", code(stage.model.revision)] : ""] : null],
      ["prompt", prompt],
      ["sampling", stage.sampling ? settings(stage.sampling) : null],
      ["seed", stage.seed === null || stage.seed === undefined ? null : String(stage.seed)],
      ["spent", Object.entries(stage.usage ?? {}).filter(([, value]) => value !== null).map(([name, value]) => `${number(value)} ${name.replaceAll("_", " ")}`).join(", ")],
    ]);
    return el("li", { id: `stage-${stage.version}`, tabindex: "-1" }, el("h3", {}, code(stage.version), " ", el("span", { class: "soft" }, stage.stage)), told);
  });
  return section("stages", "How it was made", el("ol", { class: "stages" }, stages));
}

const settings = (given) =>
  Object.entries(given).filter(([, value]) => value !== null).map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");

function promptsSection(prompts) {
  if (!prompts.length) return section("prompts", "Prompts", el("p", {}, "No model was asked for anything."));
  const made = prompts.map((prompt) => el("div", { id: `prompt-${prompt.version}`, tabindex: "-1" }, el("h3", {}, prompt.name, " ", code(prompt.version)), folded(`The whole file, ${plural(prompt.text.length, "character")}`, el("pre", { dir: "auto", tabindex: "0" }, prompt.text))));
  return section("prompts", "Prompts", made);
}
