// Sorts, filters and opens the rows of tables; of many, a portion is shown at a time. Of a long table the page has the
// first rows, and a block has all.

const PORTION = 200;
const LISTINGS = [...document.querySelectorAll("table.listing")].map(listing);

function listing(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const status = element("p", { class: "small count", role: "status" });
  const all = element("button", { type: "button", class: "all" });
  let every = [...body.rows], column = null, falling = false, portion = PORTION;
  let choice = FILTER ? chosen() : null, unfolded = new Map();
  table.parentElement.after(status, all);
  heads.forEach((head, index) => head.replaceChildren(sorter(head, index)));
  all.addEventListener("click", () => { portion = Infinity; show(); });

  function sorter(head, index) {
    const button = element("button", { type: "button" }, ...head.childNodes);
    button.addEventListener("click", () => {
      // Up, down, and back to the order of the page.
      if (column !== index) [column, falling] = [index, false];
      else if (!falling) falling = true;
      else column = null;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      if (column !== null) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      show();
    });
    return button;
  }

  /** What a row is sorted by; null comes last, whichever way. */
  function value(row) {
    const cell = row.cells[column];
    if (!cell || cell.classList.contains("reason")) return null;
    if (!heads[column].classList.contains("n")) return cell.textContent.trim().toLowerCase();
    const number = parseFloat(cell.dataset.sort ?? cell.textContent.replace(/,/g, "").replace(/^[−±]/, (sign) => sign === "−" ? "-" : ""));
    return Number.isNaN(number) ? null : number;
  }

  function sorted(rows) {
    if (column === null) return rows;
    const keyed = rows.map((row) => [value(row), row]), way = falling ? -1 : 1;
    const compare = ([a], [b]) => a === null || b === null ? (a === null) - (b === null) : way * (a < b ? -1 : a > b);
    return keyed.sort(compare).map(([, row]) => row);
  }

  function left(row) {
    if (choice === null) return true;
    if (row.classList.contains("skipped") && !choice.skipped) return false;
    return passes(choice, row.dataset, row.cells[0].textContent);
  }

  function show() {
    const rows = sorted(every.filter(left)), shown = rows.slice(0, portion);
    body.replaceChildren(...shown.flatMap((row) => {
      prepare(row);
      return unfolded.has(row) ? [row, unfolded.get(row)] : [row];
    }));
    all.hidden = shown.length === rows.length;
    all.textContent = `Show all ${rows.length.toLocaleString("en")} rows`;
    status.textContent = rows.length === every.length && all.hidden ? "" :
      `${shown.length.toLocaleString("en")} of ${every.length.toLocaleString("en")} rows`;
  }

  /** Gives a row its button, when it is shown for the first time. */
  function prepare(row) {
    if (row.dataset.ready || row.dataset.details === undefined) return;
    row.dataset.ready = "yes";
    const button = element("button", { type: "button", class: "open", "aria-expanded": "false" }, ...row.cells[0].childNodes);
    button.addEventListener("click", () => unfold(row, !unfolded.has(row)));
    row.cells[0].append(button);
  }

  async function unfold(row, wanted) {
    if (row.dataset.details === undefined || wanted === unfolded.has(row)) return;
    row.querySelector("button.open").setAttribute("aria-expanded", wanted);
    if (!wanted) {
      unfolded.get(row).remove();
      unfolded.delete(row);
      return;
    }
    const cell = element("td", { colspan: heads.length });
    unfolded.set(row, element("tr", { class: "details" }, cell));
    row.after(unfolded.get(row));
    cell.append(fragment((await block(`details-${row.dataset.details}`))[row.id]));
  }

  /** All rows; those that are shown already stay as they are. Between two portions the page answers its reader. */
  async function whole() {
    const known = new Map(every.map((row) => [row.id, row])), rows = [];
    for (const portion of await block(`rows-${table.dataset.block}`)) {
      rows.push(...[...fragment(portion).children].map((row) => known.get(row.id) ?? row));
      await new Promise((done) => setTimeout(done));
    }
    every = rows;
    document.getElementById(`cut-${table.dataset.block}`).remove();
    show();
  }

  document.addEventListener("filtered", ({ detail }) => { choice = detail; show(); });
  show();
  const complete = table.dataset.block ? whole() : Promise.resolve();
  return {
    has: async (id) => { await complete; return every.some((row) => row.id === id); },
    reveal(id) {
      const row = every.find((each) => each.id === id);
      if (!left(row)) {
        // Of its setting all rows, and of no other: a browser takes seconds to lay out thousands.
        const own = row.dataset.setting === undefined ? null : new Set([row.dataset.setting]);
        choice = { setting: own, model: null, batch: null, framework: null, precision: null, text: "", skipped: true };
        FILTER.querySelector("output").textContent = "put aside, to show a row that it hides";
      }
      portion = Infinity;
      show();
      unfold(row, true);
      row.scrollIntoView({ block: "center" });
      row.querySelector("button.open")?.focus({ preventScroll: true });
    },
  };
}

/** Goes to a row by its anchor, wherever it is. */
async function reveal(id) {
  for (const each of LISTINGS) {
    if (await each.has(id)) return each.reveal(id);
  }
}

function follow() {
  const anchor = location.hash.slice(1);
  try {
    reveal(decodeURIComponent(anchor));
  } catch {
    reveal(anchor); // such as `100%`, which is nothing encoded
  }
}

window.addEventListener("hashchange", follow);
if (location.hash) follow();
