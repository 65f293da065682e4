// Reads the blocks of data that the page holds (base64 of gzip of JSON), and answers for rows, queries and chunks.

const blocksOf = (name) => [
  ...document.querySelectorAll(`script[type="application/octet-stream"][data-name="${name}"]`),
];

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

async function unpacked(element) {
  const packed = new Blob([bytesOf(element.textContent)]);
  element.remove();
  return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

async function blockOf(name) {
  const [element] = blocksOf(name);
  return element ? unpacked(element) : null;
}

// What has been read so far: first what the list of rows needs, then the rest of the index, then the texts. A chunk's
// text is undefined before its block is read, null where it is not on the page.
const held = { facts: null, index: null, queries: [], chunks: [], replies: null, hasIndex: false, isWhole: false };

const valueOf = (column, at) => column.values[column.codes[at]];

function chunkText(number) {
  const same = held.index.chunks.same_text[number] ?? number;
  return same < held.index.said.texts ? held.chunks[same] : null;
}

function chunkOf(number) {
  const { chunks, rows } = held.index;
  if (number >= chunks.id.length) return { id: rows.lost[number - chunks.id.length], isLost: true };
  return {
    id: chunks.id[number],
    version: valueOf(chunks.version, number),
    title: valueOf(chunks.title, number),
    language: valueOf(chunks.language, number),
    tokens: chunks.tokens[number],
    start: chunks.start[number],
    end: chunks.end[number],
    length: chunks.length[number],
    text: chunkText(number),
  };
}

const documentIdOf = (chunkId) => chunkId.slice(0, chunkId.lastIndexOf("#"));

function queryOf(row) {
  const { rows, queries } = held.index;
  const number = rows.query[row];
  if (number === null) return { id: rows.lost_queries[row], text: "", length: 0, isLost: true };
  const query = { number, text: held.queries[number] };
  if (!held.hasIndex) return query;
  for (const name of ["id", "length", "start", "end", "reply_length", "document"]) query[name] = queries[name][number];
  for (const name of ["version", "task", "stated_language", "model", "prompt", "parse"]) {
    query[name] = valueOf(queries[name], number);
  }
  query.reply = held.replies?.[number] ?? null;
  return query;
}

function documentOf(number) {
  if (number === null || number === undefined) return null;
  const { documents } = held.index;
  const found = {};
  for (const name of ["id", "title", "place", "length"]) found[name] = documents[name][number];
  for (const name of ["version", "licence", "language"]) found[name] = valueOf(documents[name], number);
  return found;
}

const rowValue = (name, row) => valueOf(held.index.rows[name], row);

async function readFirst() {
  held.facts = await blockOf("facts");
  held.index = await blockOf("list");
  for (const element of blocksOf("queries")) held.queries = held.queries.concat(await unpacked(element));
}

// What stands after the script: the page is still being read when the list is there.
async function readIndex() {
  if (document.readyState === "loading") {
    await new Promise((resume) => document.addEventListener("DOMContentLoaded", resume, { once: true }));
  }
  const { rows, ...more } = await blockOf("index");
  Object.assign(held.index.rows, rows);
  Object.assign(held.index, more);
  held.hasIndex = true;
}

// The texts of the chunks: own chunks and positives come first, so that a row can be read before all is there.
async function readTexts() {
  for (const element of blocksOf("chunks")) {
    for (const text of await unpacked(element)) held.chunks.push(text);
    await pause();
  }
  held.replies = await blockOf("replies");
  held.isWhole = true;
}

// Lets the browser answer to keys and paint before the work goes on.
const pause = () => new Promise((resume) => setTimeout(resume));
