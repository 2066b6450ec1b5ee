// Looks up what to deploy in the steps that the study computed. Nothing is decided here.

const FEW = 4;
const ASK = document.getElementById("ask");

/** The last step that begins at or below a bound; without a bound the last of all. */
function step(steps, start, bound) {
  return steps.findLast((each) => bound === null || (each[start] !== null && each[start] <= bound));
}

/** The outcome for what the form asks; undefined where nothing was measured that could tell. */
function outcome(answers, asked) {
  const table = answers.tables.find((each) => each.objective === asked.objective
    && each.batch_size === asked.batch_size && each.quality === asked.quality);
  if (table === undefined) return undefined;
  const { by_latency } = step(table.steps, "from_share", asked.share);
  return answers.outcomes[step(by_latency, "from_ms", asked.latency_ms).outcome];
}

function asked() {
  const given = new FormData(ASK), number = (name) => given.get(name) === "" ? null : Number(given.get(name));
  const share = number("share");
  return { objective: given.get("objective"), quality: given.get("quality"), batch_size: number("batch_size"),
    share: share === null ? null : share / 100, latency_ms: number("latency_ms") };
}

/** Names of rows, the first few, each a link to its figures. */
function named(answers, indices) {
  const rest = indices.length > FEW ? [` and ${indices.length - FEW} more`] : [];
  return indices.slice(0, FEW).flatMap((index, place) => {
    const row = answers.rows[index], name = `${row.name}, batch size ${row.batch_size}`;
    return [place ? ", " : "", element("a", { href: `#${encodeURIComponent(row.id)}` }, name), ` (${row.text.latency})`];
  }).concat(rest);
}

/** Why it is not known, in the words of the study. */
function reasons(answers, found) {
  const about = found.perhaps ?? found.row, doubts = about === null ? {} : answers.rows[about].doubts;
  return found.why.map((name) => PAGE.words.why[name] ?? doubts[name]).filter(Boolean);
}

const SAID = {
  yes: "Yes:",
  no: "No: nothing that was measured keeps this;",
  unknown: "It cannot be told; the best that may keep it:",
};

/** The number of the setting that is asked about. */
function setting() {
  return Number(new FormData(ASK).get("setting") ?? 0);
}

async function answered() {
  const index = setting(), answers = await block(`answer-${index}`);
  if (index !== setting()) return; // another one is asked about meanwhile
  const place = document.getElementById("outcome"), wrong = ASK.querySelector("input:invalid");
  if (wrong) { // such as a latency below 0
    place.replaceChildren(element("p", { class: "verdict" }, `${wrong.labels[0].textContent.trim()}: ${wrong.validationMessage}`));
    return;
  }
  const found = outcome(answers, asked());
  const line = (words, rows, kind = "") => rows.length && place.append(element("p", { class: kind }, words, ...named(answers, rows), "."));
  if (found === undefined) {
    place.replaceChildren(element("p", { class: "verdict" }, "Nothing was measured that could tell."));
    return;
  }
  place.replaceChildren(element("p", { class: `verdict ${found.answer}` },
    element("strong", {}, found.row === null && found.answer === "unknown" ? "It cannot be told:" : SAID[found.answer]), ` ${PAGE.words.objectives[found.objective]}`));
  if (found.row !== null) place.append(fragment(answers.cards[found.row]));
  line("No difference shown to: ", found.ties);
  line("Not told apart from: ", found.undecided);
  line("Better, if it keeps what you ask, which is not known: ", found.perhaps === null ? [] : [found.perhaps], "doubt");
  const said = place.textContent.replaceAll("\u00a0", " "); // a card keeps figures and units together
  const more = reasons(answers, found).filter((text) => !said.includes(text));
  for (const text of more) place.append(element("p", { class: "small doubt" }, `⚠ ${text}`));
}

if (ASK) {
  ASK.hidden = false;
  ASK.addEventListener("input", answered);
  ASK.addEventListener("submit", (event) => event.preventDefault());
  answered();
}
