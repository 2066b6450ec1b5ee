// Gives each chart the rows that the filter leaves. Charts are made when they come into view.

const ROWS = Object.fromEntries(Object.entries(await block("charts")).map(([name, packed]) => [name, unpacked(packed)]));
const MOST = 40; // configurations in a ranking
const NARROW = 480, FEW_ROWS = 12; // pixels, and lines of a list: with fewer a chart has no room for a legend beside it
const LETTER = 6.6; // pixels that one is wide, about
const DARK = matchMedia("(prefers-color-scheme: dark)");
let CHOICE = FILTER ? chosen() : null;

/** The page's colours, resolved, so that a downloaded picture has them too; and where a legend stands, in how many columns. */
function looks(below, columns) {
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  const axis = { labelColor: colour("--ink"), titleColor: colour("--ink"), gridColor: colour("--grid"),
    domainColor: colour("--muted"), tickColor: colour("--muted"), titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12,
    labelSeparation: 4 };
  const legend = { labelColor: colour("--ink"), titleColor: colour("--muted"), labelFontSize: 12, titleFontWeight: "normal",
    symbolBaseFillColor: colour("--muted"), symbolBaseStrokeColor: colour("--muted"),
    layout: { bottom: { direction: "vertical", anchor: "start" } },
    ...(below ? { orient: "bottom", direction: "horizontal", columns } : {}) };
  return { background: "transparent", font: "system-ui, sans-serif", view: { stroke: null }, axis, legend };
}

function rowsOf(chart) {
  const rows = ROWS[chart.data].filter((row) => passes(CHOICE, row, row.name));
  if (!chart.one_size) return rows;
  const size = Math.min(...rows.map((row) => row.batch));
  return rows.filter((row) => row.batch === size).slice(0, chart.name === "ranking" ? MOST : Infinity);
}

/** Of a legend below a chart, which begins where the chart's marks do: beside the names in a list. */
function columns(chart, width) {
  const longest = (name) => LETTER * Math.max(...ROWS[chart.data].map((row) => row[name].length));
  const left = width - (chart.spec.height?.step ? longest("name") : 60);
  return Math.min(4, Math.max(1, Math.floor(left / (30 + Math.max(longest("framework"), longest("precision"))))));
}

async function draw(chart, place) {
  const rows = rowsOf(chart);
  const narrow = place.clientWidth < NARROW, low = chart.spec.height?.step && rows.length < FEW_ROWS;
  const config = looks(narrow || low, columns(chart, place.clientWidth));
  const options = { ast: true, renderer: "svg", actions: false, config, logLevel: 1 };
  const { view } = await vegaEmbed(place, { ...chart.spec, datasets: { ...chart.spec.datasets, rows } }, options);
  view.addEventListener("click", (_, item) => item?.datum?.anchor && reveal(item.datum.anchor));
  return view;
}

for (const chart of PAGE.charts) {
  const figure = document.getElementById(`chart-${chart.name}`), place = figure.querySelector(".chart");
  const title = figure.querySelector(".size");
  let view = null;

  const update = async () => {
    const rows = rowsOf(chart);
    place.hidden = rows.length === 0;
    if (title) title.textContent = rows.length ? `, batch size ${rows[0].batch}` : ": no rows are left by the filter";
    if (view !== null && rows.length) await (await view).data("rows", rows).runAsync();
  };
  const start = () => { view = draw(chart, place); update(); };

  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  }, { rootMargin: "400px" }).observe(place);
  document.addEventListener("filtered", ({ detail }) => { CHOICE = detail; update(); });
  DARK.addEventListener("change", () => { if (view !== null) start(); });
  for (const kind of ["svg", "png"]) {
    figure.querySelector(`button.${kind}`).addEventListener("click", async () => {
      if (view === null) start();
      const link = element("a", { href: await (await view).toImageURL(kind, 2), download: `${chart.name}.${kind}` });
      link.click();
    });
  }
}
