// Charts drawn from numbers. Each has the table of its numbers beside it, or is a table itself.

const WIDTH = 300;
const HEIGHT = 96;

function figure(title, note, label, drawing, alternative) {
  return el(
    "figure",
    {},
    el("figcaption", {}, el("strong", { dir: "auto" }, title), note ? el("span", { class: "soft" }, note) : null),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`, role: "img", "aria-label": visible(label) }, drawing),
    folded("As a table", alternative),
  );
}

const axisText = (x, text, anchor = "middle") =>
  svg("text", { x, y: HEIGHT + 14, "text-anchor": anchor, class: "axis" }, text);

// One series of bins {from, to, count}, with its tenth, middle and ninetieth percentile.
function histogram(series, unit) {
  const bins = series.bins;
  const most = Math.max(...bins.map((bin) => bin.count), 1);
  const step = WIDTH / Math.max(bins.length, 1);
  const bars = bins.map((bin, at) => {
    const tall = (bin.count / most) * (HEIGHT - 4);
    const bar = { x: at * step + 0.5, y: HEIGHT - tall, width: Math.max(step - 1, 0.5), height: tall, class: "bar" };
    return svg("rect", bar, svg("title", {}, `${binName(bin)} ${unit}: ${number(bin.count)}`));
  });
  const line = svg("line", { x1: 0, y1: HEIGHT, x2: WIDTH, y2: HEIGHT, class: "rule" });
  const ticks = bins.length
    ? [axisText(0, number(bins[0].from), "start"), axisText(WIDTH, number(bins.at(-1).to), "end")]
    : [];
  if (bins.length > 4) {
    const middle = Math.floor(bins.length / 2);
    ticks.push(axisText(middle * step, number(bins[middle].from)));
  }
  const isOne = series.p10 === series.p90;
  const note = isOne
    ? `nearly always ${number(series.p50)} ${unit}, the median`
    : `median ${number(series.p50)}, most between ${number(series.p10)} and ${number(series.p90)} ${unit}`;
  const label = `${series.name}: ${unit}, ${note}`;
  const rows = table(
    `${series.name}, ${unit}`,
    [
      { title: unit, value: binName, head: true },
      { title: "count", value: (bin) => number(bin.count), numeric: true },
    ],
    bins,
  );
  return figure(series.name, note, label, [bars, line, ticks], rows);
}

// Bins hold whole numbers, and not their `to`.
const binName = (bin) => (bin.to - bin.from <= 1 ? number(bin.from) : `${number(bin.from)} – ${number(bin.to - 1)}`);

// Scores by rank: the middle as a line, from the tenth to the ninetieth percentile as a band.
function scoresByRank(title, points) {
  const last = Math.max(...points.map((point) => point.rank), 2);
  const low = Math.min(...points.map((point) => point.p10));
  const high = Math.max(...points.map((point) => point.p90));
  const x = (rank) => 30 + ((rank - 1) / (last - 1)) * (WIDTH - 30);
  const y = (value) => 6 + (1 - (value - low) / (high - low || 1)) * (HEIGHT - 12);
  const along = (of, name) => of.map((point) => `${x(point.rank).toFixed(1)},${y(point[name]).toFixed(1)}`);
  const band = [...along(points, "p90"), ...along([...points].reverse(), "p10")].join(" ");
  const drawing = [
    svg("line", { x1: 30, y1: HEIGHT, x2: WIDTH, y2: HEIGHT, class: "rule" }),
    svg("polygon", { points: band, class: "band" }),
    svg("polyline", { points: along(points, "p50").join(" "), class: "line" }),
    svg("text", { x: 0, y: 12, class: "axis" }, short(high)),
    svg("text", { x: 0, y: HEIGHT - 2, class: "axis" }, short(low)),
    axisText(30, "1", "start"),
    axisText(WIDTH, `rank ${last}`, "end"),
  ];
  const rows = table(
    `${title}, scores by rank`,
    [
      { title: "rank", value: (point) => number(point.rank), head: true, numeric: true },
      ...["p10", "p50", "p90"].map((name) => ({ title: name, value: (point) => score(point[name]), numeric: true })),
    ],
    points,
  );
  const first = points[0];
  const label = `${title}: the median score is ${score(first.p50)} at rank ${first.rank} and ${score(points.at(-1).p50)} at rank ${last}`;
  return figure(title, "median, and from the 10th to the 90th percentile", label, drawing, rows);
}

const short = (value) =>
  Math.abs(value) >= 10 ? value.toFixed(0) : Math.abs(value) >= 0.1 ? value.toFixed(2) : value.toFixed(3);

// A number with a bar behind it, for a cell of a table: the number is what is read.
function barred(value, most, text = number(value), kind = "bar") {
  const long = most > 0 && value ? Math.max((value / most) * 100, 0.5) : 0;
  const bar = svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", class: "inline", "aria-hidden": "true" });
  bar.append(svg("rect", { x: 0, y: 0, width: long.toFixed(2), height: 8, class: kind }));
  return el("span", { class: "barred" }, bar, el("span", {}, text));
}

// Where the scores of a row's positives and negatives lie; the numbers stand beside the texts.
function scoreStrip(positives, negatives) {
  if (![positives, negatives].every((values) => values.some((value) => value !== null))) return null;
  const known = [...positives, ...negatives].filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (value) => 6 + ((value - low) / (high - low || 1)) * 588;
  const dot = (value, y, kind) => svg("circle", { cx: x(value).toFixed(1), cy: y, r: 4.5, class: kind });
  const signs = [
    svg("line", { x1: 0, y1: 18, x2: 600, y2: 18, class: "rule" }),
    negatives.filter((value) => value !== null).map((value) => dot(value, 26, "negative")),
    positives.filter((value) => value !== null).map((value) => dot(value, 10, "positive")),
  ];
  return el(
    "div",
    { class: "strip" },
    svg("svg", { viewBox: "0 0 600 36", "aria-hidden": "true" }, signs),
    el(
      "div",
      { class: "ends soft" },
      el("span", {}, score(low)),
      el("span", {}, "scores: positives above the line, negatives below"),
      el("span", {}, score(high)),
    ),
  );
}
