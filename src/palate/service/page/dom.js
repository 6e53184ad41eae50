// Elements from script. Texts of items come from strangers: they only ever become text nodes.

const SVG = "http://www.w3.org/2000/svg";

function made(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

export const h = (tag, properties, ...children) => made(document.createElement(tag), properties, children);
export const s = (tag, properties, ...children) => made(document.createElementNS(SVG, tag), properties, children);

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Tells screen readers what has changed. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

export const link = (path, ...children) => h("a", { href: `#/${path}` }, ...children);
export const itemPath = (id) => `item/${encodeURIComponent(String(id))}`;
