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
    overlapsOf(row, null),
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

// What is said of the query (chunk null) or a positive: that an evaluation set has it too.
function overlapsOf(row, chunk) {
  const found = (held.index.overlaps[row] ?? []).filter(([number]) => number === chunk);
  return found.map(([, set, role, id, match, common]) => {
    const how = match === "exact" ? "the same text" : `${match}, ${share(common, 0)} in common`;
    return el("p", { class: "overlap" }, `In the evaluation set ${set}, as its ${role} `, code(id), `: ${how}.`);
  });
}

// Second opinions of a chunk of the row.
function opinionsOf(row, chunk) {
  const found = (held.index.opinions[row] ?? []).filter(([number]) => number === chunk);
  return found.map(([, verdict, opinions]) => {
    const said = opinions.map(
      ({ by, score: given, relevant }) =>
        `${modelName(by)} says ${relevant ? "relevant" : "not relevant"} (${score(given)})`,
    );
    return el(
      "p",
      { class: "opinions soft" },
      `Second opinions, ${verdict.replaceAll("_", " ")}: `,
      bdi(said.join("; ")),
      ".",
    );
  });
}

// Who wrote the query, for what task, and what the model replied, whole.
function written(query) {
  if (!query.model) return null;
  return el(
    "div",
    { class: "written" },
    pairs([
      ["written by", query.model],
      ["prompt", promptLink(query.prompt)],
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
    chunkItem(
      chunk,
      {
        rank: ranks[at],
        score: scores[at],
        relevance: judged.get(chunk),
        notes: [overlapsOf(row, chunk), opinionsOf(row, chunk)],
      },
      query,
      terms,
    ),
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
    el("ol", {}, chunkItem(own, {}, query, terms)),
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
    el(
      "div",
      {},
      head,
      textOf(chunk, query, terms),
      chunk.text ? cutNote(chunk.text, chunk.length) : null,
      given.notes,
    ),
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
