"use strict";
// Looks up what to deploy in the steps that the study computed. Nothing is decided here.

const ASK = document.getElementById("ask");

/** The last step that begins at or below a bound; without a bound the last of all. */
function step(steps, start, bound) {
  return steps.findLast((each) => bound === null || (each[start] !== null && each[start] <= bound));
}

/** The outcome for what the form asks. */
function outcome(answers, asked) {
  const { steps } = answers.tables.find((table) => table.objective === asked.objective
    && table.batch_size === asked.batch_size && table.quality === asked.quality);
  const { by_latency } = step(steps, "from_share", asked.share);
  return answers.outcomes[step(by_latency, "from_ms", asked.latency_ms).outcome];
}

function asked() {
  const given = new FormData(ASK), number = (name) => given.get(name) === "" ? null : Number(given.get(name));
  const share = number("share");
  return { objective: given.get("objective"), quality: given.get("quality"), batch_size: number("batch_size"),
    share: share === null ? null : share / 100, latency_ms: number("latency_ms") };
}

/** A row of the answers, as it stands in a card. */
function card(answers, index) {
  return document.querySelector(`template[data-answer="${answers}-${index}"]`).content.cloneNode(true);
}

/** Names of rows, each a link to its figures. */
function named(rows) {
  return rows.flatMap((row, index) => [index ? ", " : "", element("a", { href: `#${encodeURIComponent(row.id)}` }, `${row.name}, batch size ${row.batch_size}`),
    ` (${row.text.latency})`]);
}

function show() {
  const index = Number(new FormData(ASK).get("setting") ?? 0), answers = PAGE.summary.answers[index];
  const found = outcome(answers, asked()), rows = (list) => list.map((each) => answers.rows[each]);
  const place = document.getElementById("outcome"), about = found.perhaps ?? found.row;
  const why = found.why.map((name) => about === null || name === "machine" ? PAGE.summary.words.why[name] : answers.rows[about].doubts[name]).filter(Boolean);
  const words = PAGE.summary.words, heading = element("p", { class: `verdict ${found.answer}` }, element("strong", {}, SAID[found.answer]), ` ${words.objectives[found.objective]}`);
  place.replaceChildren(heading);
  if (found.row !== null) place.append(card(index, found.row));
  if (found.ties.length) place.append(element("p", {}, "No difference shown to: ", ...named(rows(found.ties)), "."));
  if (found.undecided.length) place.append(element("p", {}, "Not told apart from: ", ...named(rows(found.undecided)), "."));
  if (found.perhaps !== null) place.append(element("p", { class: "doubt" }, "Perhaps better, if it keeps what you ask: ", ...named(rows([found.perhaps])), "."));
  for (const text of why) place.append(element("p", { class: "small doubt" }, `⚠ ${text}.`));
}

const SAID = {
  yes: "Yes:",
  no: "No: nothing that was measured keeps this;",
  unknown: "It cannot be told; the best that may keep it:",
};

if (ASK) {
  ASK.hidden = false;
  ASK.addEventListener("input", show);
  ASK.addEventListener("submit", (event) => event.preventDefault());
  show();
}
