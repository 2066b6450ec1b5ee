// What the page was given, and how elements are made. Texts become text nodes; what is markup was written, and escaped,
// when the page was.

const PAGE = JSON.parse(document.getElementById("data").textContent);
const BLOCKS = new Map();
document.documentElement.classList.add("script");

/** A promise of what a block holds: JSON, compressed so that a page of thousands of rows is light, taken out when it is needed. */
function block(name) {
  if (!BLOCKS.has(name)) BLOCKS.set(name, inflated(document.getElementById(`block-${name}`).textContent));
  return BLOCKS.get(name);
}

async function inflated(letters) {
  const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

/** The elements of a markup. */
function fragment(markup) {
  const holder = document.createElement("template");
  holder.innerHTML = markup;
  return holder.content;
}

/** An element with these attributes and children; text is text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Rows as objects, from their columns' names and lists of values. */
function unpacked({ columns, rows }) {
  return rows.map((values) => Object.fromEntries(columns.map((name, index) => [name, values[index]])));
}
