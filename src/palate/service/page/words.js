// How numbers and items are put into words.

/** What the owner calls the page and its items. */
export const named = { page: "palate", one: "item", many: "items" };

export function call([one, several], page) {
  Object.assign(named, { one, many: several, page });
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const count = (number) => number.toLocaleString("en");
export const many = (number, one, several = `${one}s`) => `${count(number)} ${number === 1 ? one : several}`;
export const items = (number) => many(number, named.one, named.many);
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}%`;
export const fixed = (number, digits = 2) => number.toFixed(digits).replace("-", "−");

export function bytes(size) {
  const step = Math.min(3, Math.floor(Math.log10(Math.max(1, size)) / 3));
  return `${(size / 1000 ** step).toFixed(step ? 1 : 0)} ${["bytes", "kB", "MB", "GB"][step]}`;
}

const flat = (text) => text.replace(/\s+/g, " ").trim();

/** What to call an item (`name`), its title, and its text; one of these is empty if they say the same. */
export function wording(row) {
  const id = String(row.item ?? row.id);
  const text = row.text === id ? "" : row.text ?? "";
  const name = !row.title || row.title === id ? `${capital(named.one)} ${id}` : row.title;
  if (!text || flat(text) === name) return { name, title: name, text: "" };
  return { name, title: flat(text).startsWith(flat(name.replace(/…$/, ""))) ? "" : name, text };
}

/** A name that is cut at a word if it is long. */
export function shortened(name, longest) {
  return name.length <= longest ? name : `${name.slice(0, longest).replace(/\W*\w*$/, "").replace(/…$/, "")}…`;
}

export const quoted = (row, longest = 60) => `“${shortened(wording(row).name, longest)}”`;
