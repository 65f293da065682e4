// Which rows are shown, and in what order.

const FILTERS = ["method", "language", "source", "split", "version"];
const foldedTexts = { queries: [], chunks: [] };

// Places of the rows that pass every filter; `wanted` is {filter: value, or "" for all}.
function filtered(wanted) {
  const { rows } = held.index;
  const asked = FILTERS.filter((name) => wanted[name]).map((name) => [
    rows[name].codes,
    rows[name].values.indexOf(wanted[name]),
  ]);
  const found = [];
  for (let row = 0; row < rows.id.length; row++)
    if (asked.every(([codes, value]) => codes[row] === value)) found.push(row);
  return found;
}

// 1 for each text that holds all of the terms. Texts are folded once; the work is cut up, so that keys are answered.
async function textsWith(kind, terms, isStale) {
  const [texts, done] = [held[kind], foldedTexts[kind]];
  const holds = new Uint8Array(texts.length);
  let since = performance.now();
  for (let at = 0; at < texts.length; at++) {
    done[at] ??= fold(texts[at]);
    holds[at] = terms.every((term) => done[at].includes(term)) ? 1 : 0;
    if (at % 64 === 0 && performance.now() - since > 25) {
      await pause();
      if (isStale()) return null;
      since = performance.now();
    }
  }
  return holds;
}

// Of these rows those one of whose texts holds all of the terms; null where a later search has begun.
async function searched(rows, terms, scope, isStale) {
  if (!terms.length) return rows;
  const inQueries = await textsWith("queries", terms, isStale);
  if (!inQueries) return null;
  const { query, positives, negatives } = held.index.rows;
  if (scope === "queries") return rows.filter((row) => inQueries[query[row]]);
  if (!(await until(() => held.isWhole, isStale))) return null;
  const inChunks = await textsWith("chunks", terms, isStale);
  if (!inChunks) return null;
  const same = held.index.chunks.same_text;
  const holds = (number) => inChunks[same[number] ?? number];
  return rows.filter((row) => inQueries[query[row]] || positives[row].some(holds) || negatives[row].some(holds));
}

// False where a later search has begun meanwhile.
async function until(isThere, isStale) {
  while (!isThere()) {
    await new Promise((resume) => setTimeout(resume, 30));
    if (isStale()) return false;
  }
  return true;
}

// Folds all texts while nothing else is to be done, so that the first search need not.
async function foldAhead() {
  for (const kind of ["queries", "chunks"]) await textsWith(kind, [], () => false);
}

// What the lowest positive scores above the highest negative; null where one of them has no score.
function gapOf(row) {
  const { positive_scores: high, negative_scores: low } = held.index.rows;
  const [above, below] = [high[row].filter((value) => value !== null), low[row].filter((value) => value !== null)];
  return above.length && below.length ? Math.min(...above) - Math.max(...below) : null;
}

const lowestRank = (row) => {
  const ranks = held.index.rows.positive_ranks[row].filter((rank) => rank !== null);
  return ranks.length ? Math.max(...ranks) : null;
};

// {name: [what it says, what a row sorts by: smallest first, null last]}
const ORDERS = {
  drawn: ["as drawn", null],
  gap: ["smallest gap between scores", gapOf],
  rank: ["lowest ranked positive", (row) => (lowestRank(row) === null ? null : -lowestRank(row))],
  length: ["longest query", (row) => -(held.index.queries.length[held.index.rows.query[row]] ?? 0)],
};

function ordered(rows, name) {
  const keyOf = ORDERS[name][1];
  if (!keyOf) return rows;
  const keyed = rows.map((row) => [keyOf(row), row]);
  keyed.sort(([a, one], [b, other]) => compared(a, b) || one - other);
  return keyed.map(([, row]) => row);
}
