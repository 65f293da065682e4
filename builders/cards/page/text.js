// Text that nobody vouches for: shown as text, its invisible commands made visible; folded, so that it can be found.

// Controls but tab and line feed, and what turns the direction of writing or is no character at all.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu;
// Accents of Latin, Greek and Cyrillic, vowel points of Hebrew, vowel marks of Arabic and its lengthening stroke.
const MARKS =
  /[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc]/g;

const named = (sign) => `⟨U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;

const visible = (text) => String(text).replace(HIDDEN, named);

// Lower case without accents, wide and narrow forms alike, white space as one space.
function fold(text) {
  if (/^[\x20-\x7e]*$/.test(text) && !text.includes("  ")) return text.toLowerCase();
  const plain = text
    .normalize("NFKD")
    .replace(MARKS, "")
    .normalize("NFC")
    .toLowerCase()
    .replaceAll("ß", "ss")
    .replaceAll("ς", "σ");
  return /[^\S ]| {2}/.test(plain) ? plain.replace(/\s+/g, " ") : plain; // half of the time, where nothing is to do
}

// The words asked for, folded; "words in quotes" stand together.
function termsOf(asked) {
  const terms = [];
  for (const [, quoted, word] of asked.matchAll(/"([^"]*)"|([^\s"]+)/g)) {
    const term = fold(quoted ?? word).trim();
    if (term) terms.push(term);
  }
  return terms;
}

const segmenter = Intl.Segmenter ? new Intl.Segmenter("und", { granularity: "grapheme" }) : null;

// [from, to] of each place in the text where a term stands.
function placesOf(text, terms) {
  if (!terms.length) return [];
  let folded = "";
  const starts = []; // for each unit of the folded text: where its character starts and ends in the text
  const ends = [];
  const signs = segmenter ? segmenter.segment(text) : [...text].map((sign) => ({ segment: sign }));
  let at = 0;
  for (const { segment } of signs) {
    let piece = fold(segment);
    if (piece === " " && folded.endsWith(" ")) piece = "";
    for (let unit = 0; unit < piece.length; unit++) (starts.push(at), ends.push(at + segment.length));
    folded += piece;
    at += segment.length;
  }
  const places = [];
  for (const term of terms) {
    for (let found = folded.indexOf(term); found >= 0; found = folded.indexOf(term, found + term.length)) {
      places.push([starts[found], ends[found + term.length - 1]]);
    }
  }
  return places;
}

// Offsets that count code points, as offsets that count what JavaScript does.
function unitsOf(text, points) {
  let units = 0;
  for (const sign of text) {
    if (points-- <= 0) break;
    units += sign.length;
  }
  return units;
}

// The text as nodes; what lies in one of the spans ({from, to, tag, class}) stands in an element of that tag.
function nodesOf(text, spans) {
  const bounds = [...new Set([0, text.length, ...spans.flatMap((span) => [span.from, span.to])])].sort((a, b) => a - b);
  const nodes = [];
  for (let at = 0; at + 1 < bounds.length; at++) {
    const [from, to] = [bounds[at], bounds[at + 1]];
    let node = document.createTextNode(visible(text.slice(from, to)));
    for (const span of spans) {
      if (span.from > from || span.to < to) continue;
      const around = document.createElement(span.tag);
      if (span.class) around.className = span.class;
      around.append(node);
      node = around;
    }
    nodes.push(node);
  }
  return nodes;
}
