// Where a row comes from: a judge's order, and the chain of versions back to the document.

// What a judge said of the candidates: its order, and its replies as they came.
function judgeOf(row) {
  const order = held.index.orders[row];
  if (!order) return null;
  const numbers = held.index.rows.ordered[row] ?? [];
  const [positives, negatives] = [new Set(held.index.rows.positives[row]), new Set(held.index.rows.negatives[row])];
  const rows = numbers.map((chunk, at) => ({
    at,
    chunk,
    id: chunkOf(chunk).id,
    judge: order.judge_scores?.[at],
    rank: order.retriever_ranks[at],
    score: order.retriever_scores[at],
  }));
  const sideOf = (chunk) => (positives.has(chunk) ? "positive" : negatives.has(chunk) ? "negative" : "–");
  const columns = [
    { title: "judge's rank", value: (one) => number(one.at + 1), by: (one) => one.at, numeric: true },
    { title: "chunk", value: (one) => code(one.id), head: true },
    order.judge_scores
      ? { title: "judge's score", value: (one) => score(one.judge), by: (one) => one.judge, numeric: true }
      : null,
    { title: "retriever's rank", value: (one) => number(one.rank), by: (one) => one.rank, numeric: true },
    { title: "retriever's score", value: (one) => score(one.score), by: (one) => one.score, numeric: true },
    { title: "used as", value: (one) => sideOf(one.chunk) },
  ].filter(Boolean);
  const told = pairs([
    ["judged by", order.model],
    [
      "asked",
      order.preference_method === "likelihood"
        ? "how likely the query is after each candidate"
        : "for the order of all candidates",
    ],
    ["prompt", promptLink(order.prompt_version)],
    [
      "agreement with itself, shuffled",
      order.rank_agreement === null
        ? null
        : `Kendall's tau ${order.rank_agreement.toFixed(2)}, the same first in ${share(order.first_agreement)}`,
    ],
  ]);
  const replies = (order.replies ?? []).map((reply, at) =>
    folded(`Raw reply ${number(at + 1)}`, el("pre", { dir: "auto", tabindex: "0" }, reply)),
  );
  return el(
    "section",
    { class: "judge", "aria-labelledby": "judge-title" },
    el("h3", { id: "judge-title" }, "The judge's order"),
    told,
    folded(`All ${plural(rows.length, "candidate")}`, table("The judge's order", columns, rows)),
    replies,
  );
}

// The chain: triplet, what ranked it, query, chunk, document, each with its version.
function why(row, query) {
  const own = chunkOf(held.index.rows.own[row]);
  const document_ = documentOf(query.document);
  const links = [
    [
      "triplet",
      held.index.rows.id[row],
      rowValue("version", row),
      rowValue("judge", row) ? `ordered by ${rowValue("judge", row)}` : null,
    ],
    ...rankingLinks(row, query),
    [
      "query",
      query.id,
      query.version,
      query.start === null || query.start === undefined
        ? null
        : `cropped: characters ${number(query.start)} to ${number(query.end)} of its chunk`,
    ],
    [
      "chunk",
      own.id,
      own.version,
      own.isLost
        ? null
        : `characters ${number(own.start)} to ${number(own.end)} of its document, ${plural(own.tokens, "token")}`,
    ],
    [
      "document",
      document_?.id ?? documentIdOf(own.id),
      document_?.version,
      document_
        ? [
            document_.title,
            `from ${document_.place}`,
            document_.licence ?? "no licence stated",
            plural(document_.length, "character"),
          ]
            .filter(Boolean)
            .join(" · ")
        : null,
    ],
  ];
  const items = links.map(([what, id, version, note]) =>
    el(
      "li",
      {},
      el("div", {}, el("span", { class: "what" }, what), " ", code(id)),
      el("div", { class: "soft" }, version ? [stageLink(version), note ? " · " : ""] : null, note ? bdi(note) : null),
    ),
  );
  return el(
    "section",
    { class: "why", "aria-labelledby": "why-title" },
    el("h3", { id: "why-title" }, "Where it comes from"),
    el("ol", {}, items),
  );
}

function rankingLinks(row, query) {
  const ranking = rowValue("ranking", row);
  const links = [];
  if (!ranking) return links;
  const kind = ranking.split("/")[0];
  const order = held.index.orders[row];
  const [rank, depth] = order
    ? [order.own_rank, held.index.rows.ordered[row]?.length]
    : (held.index.candidates[row] ?? []);
  const found =
    depth === undefined
      ? null
      : rank === null
        ? `its own chunk is not among ${number(depth)}`
        : `its own chunk is number ${number(rank)} of ${number(depth)}`;
  links.push([kind, query.id, ranking, [rowValue("retriever", row), found].filter(Boolean).join(" · ")]);
  if (order) {
    const inputs = held.facts.stages.find((stage) => stageName(stage) === ranking)?.inputs ?? [];
    for (const input of inputs) if (input.startsWith("candidates/")) links.push(["candidates", query.id, input, null]);
  }
  return links;
}
