// One row in full: query, positives, negatives, replies, and the chain that it comes from.

function detailOf(row, terms) {
  const query = queryOf(row);
  const own = held.index.rows.own[row];
  return [
    el(
      "p",
      { class: "over soft" },
      [rowValue("method", row), rowValue("language", row), rowValue("source", row), rowValue("split", row)].join(" · "),
    ),
    el(
      "h2",
      { id: "query", tabindex: "-1", dir: "auto", lang: rowValue("language", row) },
      query.isLost ? "The query is in no version of queries." : marked(query.text, terms),
    ),
    cutNote(query.text, query.length),
    written(query),
    scoreStrip(held.index.rows.positive_scores[row], held.index.rows.negative_scores[row]),
    side(row, "positive", query, terms),
    side(row, "negative", query, terms),
    held.index.rows.positives[row].includes(own) ? null : ownChunk(own, query, terms),
    judgeOf(row),
    why(row, query),
  ];
}

const marked = (text, terms, spans = []) =>
  nodesOf(text, [...spans, ...placesOf(text, terms).map(([from, to]) => ({ from, to, tag: "mark" }))]);

function cutNote(text, length) {
  const cut = held.index.said.cut;
  return length > cut
    ? el("p", { class: "cut soft" }, `Cut: the first ${number(cut)} of ${number(length)} characters.`)
    : null;
}

// Who wrote the query, for what task, and what the model replied, whole.
function written(query) {
  if (!query.model) return null;
  const prompt = el("a", { href: `#${encodeURIComponent(`prompt-${query.prompt}`)}` }, query.prompt);
  return el(
    "div",
    { class: "written" },
    pairs([
      ["written by", query.model],
      ["prompt", prompt],
      ["task", query.task],
      ["language, as stated", query.stated_language],
      ["reply", query.parse === "repaired" ? "repaired: it had not the form asked for" : query.parse],
    ]),
    query.reply === null
      ? null
      : folded(
          "Raw reply",
          el("pre", { dir: "auto", tabindex: "0" }, query.reply),
          cutNote(query.reply, query.reply_length),
        ),
  );
}

function side(row, name, query, terms) {
  const { rows } = held.index;
  const numbers = rows[`${name}s`][row];
  const [ranks, scores] = [rows[`${name}_ranks`][row], rows[`${name}_scores`][row]];
  const judged = new Map(held.index.judged[row] ?? []);
  const items = numbers.map((chunk, at) =>
    chunkItem(chunk, { rank: ranks[at], score: scores[at], relevance: judged.get(chunk), name }, query, terms),
  );
  const all = rows[`${name}s_of`][row];
  const left =
    all > numbers.length ? el("p", { class: "soft" }, `The first ${number(numbers.length)} of ${number(all)}.`) : null;
  return el(
    "section",
    { class: `side ${name}s`, "aria-labelledby": `${name}s-title` },
    el("h3", { id: `${name}s-title` }, plural(all, name)),
    el("ol", {}, items),
    left,
  );
}

function ownChunk(own, query, terms) {
  return el(
    "section",
    { class: "side own", "aria-labelledby": "own-title" },
    el("h3", { id: "own-title" }, "The query's own chunk, which is neither"),
    el("ol", {}, chunkItem(own, { name: "own" }, query, terms)),
  );
}

function chunkItem(place, given, query, terms) {
  const chunk = chunkOf(place);
  const numbers = el(
    "div",
    { class: "numbers" },
    given.rank ? el("div", {}, el("span", { class: "soft" }, "rank "), number(given.rank)) : null,
    given.score === null || given.score === undefined
      ? null
      : el("div", {}, el("span", { class: "soft" }, "score "), score(given.score)),
    given.relevance === undefined
      ? null
      : el("div", {}, el("span", { class: "soft" }, "judged "), number(given.relevance)),
  );
  if (chunk.isLost)
    return el(
      "li",
      { class: "chunk" },
      numbers,
      el("div", {}, el("p", { class: "cut" }, "No version of chunks holds ", code(chunk.id), ".")),
    );
  const head = el(
    "p",
    { class: "head soft" },
    chunk.title ? el("strong", { dir: "auto" }, chunk.title) : null,
    code(chunk.id),
    el("span", {}, `${chunk.language}, ${plural(chunk.tokens, "token")}`),
  );
  return el(
    "li",
    { class: "chunk" },
    numbers,
    el("div", {}, head, textOf(chunk, query, terms), chunk.text ? cutNote(chunk.text, chunk.length) : null),
  );
}

function textOf(chunk, query, terms) {
  if (chunk.text === null)
    return el(
      "p",
      { class: "cut soft" },
      `Its ${plural(chunk.length, "character")} are not on this page, to keep it small.`,
    );
  if (chunk.text === undefined) return el("p", { class: "cut soft" }, "This text is being read…");
  const spans = [];
  if (query.start !== null && query.id && query.id.startsWith(`${chunk.id}~`) && query.end <= held.index.said.cut) {
    spans.push({ from: unitsOf(chunk.text, query.start), to: unitsOf(chunk.text, query.end), tag: "u", class: "crop" });
  }
  return el("p", { class: "text", dir: "auto", lang: chunk.language }, marked(chunk.text, terms, spans));
}

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
    ["prompt", el("a", { href: `#${encodeURIComponent(`prompt-${order.prompt_version}`)}` }, order.prompt_version)],
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
    const inputs = held.facts.stages.find((stage) => stage.version === ranking)?.inputs ?? [];
    for (const input of inputs) if (input.startsWith("candidates/")) links.push(["candidates", query.id, input, null]);
  }
  return links;
}
