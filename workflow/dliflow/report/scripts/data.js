"use strict";
// What the page was given, and how elements are made. Texts become text nodes only, never markup.

const PAGE = JSON.parse(document.getElementById("data").textContent);
document.documentElement.classList.add("script");

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
