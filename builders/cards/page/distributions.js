// The section of charts: lengths, scores and ranks, rejections, agreement.

const HISTOGRAMS = [
  ["query_words", "Words of a query"],
  ["chunk_tokens", "Tokens of a chunk"],
  ["negatives", "Negatives of a row"],
];
const BANDS = ["1", "2..5", "6..10", "11..50", "not found"];

function distributionsSection(facts) {
  const drawn = facts.distributions;
  const charts = HISTOGRAMS.filter(([name]) => drawn[name]?.series.length).map(([name, title]) =>
    chartGroup(
      title,
      el(
        "div",
        { class: "charts" },
        drawn[name].series.map((series) => histogram(series, drawn[name].unit)),
      ),
    ),
  );
  if (drawn.score_by_rank.length)
    charts.push(chartGroup("Score by rank", el("div", { class: "charts" }, scoreCharts(drawn.score_by_rank))));
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
    return scoresByRank(
      `${method}, ${modelName(retriever)} (${version})`,
      [...group].sort((a, b) => a.rank - b.rank),
    );
  });
}

function ownRanks(rows) {
  const groups = [...grouped(rows, (row) => JSON.stringify([row.version, row.method])).values()].map((group) => {
    const all = group.reduce((sum, row) => sum + row.queries, 0);
    return {
      version: group[0].version,
      method: group[0].method,
      all,
      shares: Object.fromEntries(group.map((row) => [row.band, row.queries / (all || 1)])),
    };
  });
  const bands = BANDS.map((band) => ({
    title: band,
    value: (row) => barred(row.shares[band] ?? 0, 1, share(row.shares[band] ?? 0)),
    by: (row) => row.shares[band] ?? 0,
    numeric: true,
  }));
  return table(
    "Rank of the query's own chunk",
    [
      { title: "candidates", value: (row) => stageLink(row.version), head: true },
      { title: "method", value: (row) => row.method },
      { title: "queries", value: (row) => number(row.all), numeric: true },
      ...bands,
    ],
    groups,
  );
}

function retrieval(rows) {
  const shares = [
    ["first", "first"],
    ["in_10", "in the first 10"],
    ["in_50", "in the first 50"],
  ].map(([name, title]) => ({
    title,
    value: (row) => barred(row[name], 1, share(row[name])),
    by: (row) => row[name],
    numeric: true,
  }));
  return table(
    "Queries that find their own chunk",
    [
      { title: "retriever", value: (row) => bdi(modelName(row.retriever)), by: (row) => row.retriever, head: true },
      { title: "method", value: (row) => row.method, by: (row) => row.method },
      { title: "language", value: (row) => row.language, by: (row) => row.language },
      { title: "queries", value: (row) => number(row.queries), by: (row) => row.queries, numeric: true },
      ...shares,
    ],
    rows,
    { tall: true },
  );
}

function rejections(rows) {
  return table(
    "Rejected rows by reason",
    [
      { title: "table", value: (row) => row.table, by: (row) => row.table, head: true },
      { title: "method", value: (row) => row.method ?? "–", by: (row) => row.method },
      { title: "reason", value: (row) => row.reason.replaceAll("_", " "), by: (row) => row.reason },
      counted("rows", rows),
    ],
    rows,
  );
}

function agreement(rows) {
  return table(
    "Agreement of a judge with itself when the candidates are shuffled",
    [
      { title: "preferences", value: (row) => stageLink(row.version), head: true },
      { title: "asked", value: (row) => row.preference_method },
      { title: "model", value: (row) => bdi(modelName(row.model)) },
      { title: "queries", value: (row) => number(row.queries), numeric: true },
      {
        title: "Kendall's tau",
        value: (row) => (row.rank_agreement === null ? "asked once" : row.rank_agreement.toFixed(2)),
        numeric: true,
      },
      {
        title: "same first",
        value: (row) =>
          row.first_agreement === null ? "asked once" : barred(row.first_agreement, 1, share(row.first_agreement)),
        numeric: true,
      },
    ],
    rows,
  );
}
