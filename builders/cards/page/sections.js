// The sections that say what a release holds and how it was made: overview, stages, prompts.

const most = (rows, name) => Math.max(...rows.map((row) => row[name] ?? 0), 1);

// A column of counts with bars.
const counted = (title, rows, name = title) => {
  const longest = most(rows, name);
  return { title, value: (row) => barred(row[name], longest), by: (row) => row[name], numeric: true };
};

const namedBy = (title, name = "name") => ({
  title,
  value: (row) => bdi(row[name]),
  by: (row) => row[name],
  head: true,
});

function overviewSection(facts) {
  const rowsOf = (name) =>
    facts.configs.find((config) => config.name === name)?.splits.reduce((sum, split) => sum + split.rows, 0);
  const totals = [
    ["triplets", rowsOf("triplets")],
    ["queries", rowsOf("queries")],
    ["chunks", rowsOf("corpus")],
    ["languages", facts.languages.length, "language"],
    ["sources", facts.sources.length, "source"],
    ["checks failed", facts.quality.errors + facts.quality.warnings],
  ].filter(([, value]) => value !== undefined);
  const stats = el(
    "dl",
    { class: "stats" },
    totals.map(([name, value, one]) =>
      el("div", {}, el("dt", {}, value === 1 && one ? one : name), el("dd", {}, number(value))),
    ),
  );
  const told = pairs([
    ["licence", facts.licence.strictest],
    ["release", facts.release],
    ["content", code(facts.content_hash)],
    ["made", el("time", { datetime: facts.finished }, facts.finished.slice(0, 10))],
    ["repository", facts.repository],
  ]);
  return section(
    "overview",
    "Overview",
    facts.description ? el("p", { class: "lead", dir: "auto" }, facts.description) : null,
    stats,
    told,
    el("p", {}, el("a", { href: "#rows" }, `Browse ${plural(held.index.rows.id.length, "row")}`)),
    inside(facts),
  );
}

function inside(facts) {
  const splits = facts.configs.flatMap((config) =>
    config.splits.map((split) => ({ config: config.name, description: config.description, ...split })),
  );
  const parts = [
    [
      "Parts",
      table(
        "Parts of the release",
        [
          namedBy("part", "config"),
          { title: "split", value: (row) => row.name ?? row.split },
          counted("rows", splits),
          { title: "size", value: (row) => size(row.bytes), by: (row) => row.bytes, numeric: true },
          { title: "holds", value: (row) => row.description, class: "prose" },
        ],
        splits,
      ),
    ],
    [
      "Methods",
      table(
        "Methods",
        [
          namedBy("method"),
          ...["queries", "triplets", "positives", "negatives"].map((name) => counted(name, facts.methods)),
        ],
        facts.methods,
      ),
    ],
    [
      "Languages",
      table(
        "Languages",
        [
          namedBy("language", "code"),
          ...["chunks", "queries", "triplets"].map((name) => counted(name, facts.languages)),
        ],
        facts.languages,
      ),
    ],
    [
      "Sources",
      table(
        "Sources",
        [
          namedBy("source"),
          ...["documents", "chunks", "queries", "triplets"].map((name) => counted(name, facts.sources)),
          { title: "licences", value: (row) => row.licences.join(", ") || "none stated" },
        ],
        facts.sources,
      ),
    ],
    [
      "Models",
      facts.models.length
        ? table(
            "Models",
            [
              namedBy("model", "id"),
              { title: "revision", value: (row) => code(row.revision ?? "–") },
              { title: "what it did", value: (row) => row.roles.join(", ") },
              { title: "licence", value: (row) => row.licence ?? "none stated" },
            ],
            facts.models,
          )
        : null,
    ],
    [
      "Licences",
      [
        table("Licences", [namedBy("of", "what"), { title: "licence", value: (row) => row.licence }], facts.licence.by),
        (facts.licence.warnings ?? []).map((warning) => el("p", { class: "warning" }, warning)),
      ],
    ],
  ];
  const columns = facts.configs.map((config) =>
    folded(
      `Columns of ${config.name}`,
      table(
        `Columns of ${config.name}`,
        [
          { title: "column", value: (row) => code(row.name), head: true },
          { title: "type", value: (row) => code(row.type) },
          { title: "what it is", value: (row) => row.description, class: "prose" },
        ],
        config.columns,
      ),
    ),
  );
  return [
    ...parts.filter(([, made]) => made).map(([title, made]) => el("div", {}, el("h3", {}, title), made)),
    el("h3", {}, "Columns"),
    ...columns,
  ];
}

const size = (bytes) => (bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`);

function stagesSection(facts) {
  const stages = facts.stages.map((stage) => {
    const inputs = stage.inputs.map((name, place) => [place ? ", " : "", stageLink(name)]);
    const told = pairs([
      ["made from", inputs.length ? inputs : null],
      ["rows", `${number(stage.rows_in)} in, ${number(stage.rows_out)} out, ${number(stage.rejected)} rejected`],
      [
        "rejected",
        Object.entries(stage.rejected_by_reason)
          .map(([reason, rows]) => `${reason.replaceAll("_", " ")} ${number(rows)}`)
          .join(", "),
      ],
      [
        "counted",
        Object.entries(stage.counts)
          .map(([name, rows]) => `${name} ${number(rows)}`)
          .join(", "),
      ],
      ["settings", settings(stage.config)],
      [
        "model",
        stage.model ? [bdi(stage.model.id), stage.model.revision ? [" at ", code(stage.model.revision)] : ""] : null,
      ],
      ["prompt", stage.prompt ? promptLink(stage.prompt.version) : null],
      ["sampling", stage.sampling ? settings(stage.sampling) : null],
      ["seed", stage.seed === null || stage.seed === undefined ? null : String(stage.seed)],
      [
        "spent",
        Object.entries(stage.usage ?? {})
          .filter(([, value]) => value !== null)
          .map(([name, value]) => `${number(value)} ${name.replaceAll("_", " ")}`)
          .join(", "),
      ],
    ]);
    return el(
      "li",
      { id: `stage-${stageName(stage)}`, tabindex: "-1" },
      el("h3", {}, code(stageName(stage)), " ", el("span", { class: "soft" }, stage.stage)),
      told,
    );
  });
  return section("stages", "How it was made", el("ol", { class: "stages" }, stages));
}

// "name value, name (name value)": what was left off is not told.
const settings = (given) =>
  Object.entries(given)
    .filter(([, value]) => value !== null && JSON.stringify(value) !== "{}")
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${settingOf(value)}`)
    .join(", ");

function settingOf(value) {
  if (Array.isArray(value)) return value.map(settingOf).join(" ");
  return value !== null && typeof value === "object" ? `(${settings(value)})` : String(value);
}

function promptsSection(prompts) {
  if (!prompts.length) return section("prompts", "Prompts", el("p", {}, "No model was asked for anything."));
  const made = prompts.map((prompt) =>
    el(
      "div",
      { id: `prompt-${prompt.version}`, tabindex: "-1" },
      el("h3", {}, prompt.name, " ", code(prompt.version)),
      folded(
        `The whole file, ${plural(prompt.text.length, "character")}`,
        el("pre", { dir: "auto", tabindex: "0" }, prompt.text),
      ),
    ),
  );
  return section("prompts", "Prompts", made);
}
