// One filter for tables and charts. Whoever shows rows listens to `filtered` on the document.

const FILTER = document.getElementById("filter");

/** What is chosen: a set of values by name, null where all are. */
function chosen() {
  const given = new FormData(FILTER);
  const boxes = (name) => {
    const all = FILTER.querySelectorAll(`[name="${name}"]`), on = given.getAll(name);
    return on.length === 0 || on.length === all.length ? null : new Set(on);
  };
  const setting = FILTER.elements.setting.selectedOptions[0];
  return {
    setting: new Set([setting.value]),
    model: new Set([setting.dataset.model]),
    batch: given.get("batch") === "" ? null : new Set([given.get("batch")]),
    framework: boxes("framework"),
    precision: boxes("precision"),
    text: given.get("text").trim().toLowerCase(),
    skipped: given.has("skipped"),
  };
}

/** Whether something of this kind is left; what it does not have, it is not filtered by. */
function passes(choice, kind, name) {
  const named = choice.text === "" || name.toLowerCase().includes(choice.text);
  return named && ["setting", "model", "batch", "framework", "precision"].every(
    (key) => choice[key] === null || kind[key] === undefined || choice[key].has(String(kind[key])),
  );
}

function publish() {
  const choice = chosen();
  const words = [
    FILTER.elements.setting.options.length > 1 ? FILTER.elements.setting.value : "",
    choice.batch ? `batch size ${[...choice.batch]}` : "",
    choice.framework ? [...choice.framework].join(", ") : "",
    choice.precision ? [...choice.precision].join(", ") : "",
    choice.text ? `“${choice.text}”` : "",
  ].filter(Boolean);
  FILTER.querySelector("output").textContent = words.join(" · ") || "everything";
  document.dispatchEvent(new CustomEvent("filtered", { detail: choice }));
}

if (FILTER) {
  FILTER.hidden = false;
  FILTER.addEventListener("input", publish);
  FILTER.addEventListener("reset", () => setTimeout(publish));
  FILTER.addEventListener("submit", (event) => event.preventDefault());
}
