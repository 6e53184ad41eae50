// How numbers and items are put into words.

const whole = new Intl.NumberFormat("en");

export const count = (number) => whole.format(number);
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
export const fixed = (number, digits = 2) => number.toFixed(digits).replace("-", "−");

export function bytes(size) {
  const step = Math.min(3, Math.floor(Math.log10(Math.max(1, size)) / 3));
  return `${(size / 1000 ** step).toFixed(step ? 1 : 0)} ${["bytes", "kB", "MB", "GB"][step]}`;
}

const plain = (text) => text.replace(/\s+/g, " ").trim();

/** What to call an item, and the text below that, unless it only says the same. */
export function wording(row) {
  const id = row.item ?? row.id;
  const text = row.text ?? "";
  const title = !row.title || row.title === String(id) ? `Item ${id}` : row.title;
  if (!text || plain(text) === title || text === String(id)) return { title, text: "", name: title };
  const start = title.endsWith("…") ? title.slice(0, -1) : title;
  if (plain(text).startsWith(plain(start))) return { title: "", text, name: title };
  return { title, text, name: title };
}

export const quoted = (row) => `“${wording(row).name}”`;
