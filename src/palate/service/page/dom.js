// Elements from script. Texts of items come from strangers: they only ever become text nodes.

function made(space, kind, rest) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElementNS(`http://www.w3.org/${space}`, tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  const properties = rest[0]?.constructor === Object ? rest.shift() : {};
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value != null) element.setAttribute(name, value);
  }
  element.append(...rest.flat(9).filter((one) => one != null && one !== false));
  return element;
}

/** An element: its tag and classes ("p.soft.lead"), attributes and listeners if any, children. */
export const h = (kind, ...rest) => made("1999/xhtml", kind, rest);
export const s = (kind, ...rest) => made("2000/svg", kind, rest);

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Tells screen readers what has changed. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

export const itemPath = (id) => `#/item/${encodeURIComponent(String(id))}`;
export const toItem = (id, ...children) => h("a", { href: itemPath(id) }, children);
export const heading = (text) => h("h1", { tabindex: -1 }, text);
