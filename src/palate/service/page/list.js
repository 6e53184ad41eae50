// The list of recommendations: rows that keep their identity, so that one sees them move.
import { calm, h, toItem } from "./dom.js";
import { axis, ruler } from "./scale.js";
import { because, chosen, telling } from "./why.js";
import { percent, wording } from "./words.js";

function moved(before, rank) {
  if (before === rank) return null;
  return h("span.moved", before === undefined ? "new" : before > rank ? `↑ ${before - rank}` : `↓ ${rank - before}`);
}

function content(scale, row, rank, order, reasons) {
  const { title, text } = wording(row);
  const chance = row.choice_chance >= 0.0005 ? h("span.fine", reasons.newcomer ? `rated by ${percent(row.choice_chance)} of people` : `you pick it next: ${percent(row.choice_chance, 1)}`) : null;
  return [
    h("span.rank", { "aria-hidden": "true" }, rank + 1, order && moved(order.get(row.item), rank)),
    h("div",
      h("h3.clamp", { dir: "auto" }, toItem(row.item, title || text)),
      title && text && h("p.text.clamp", { dir: "auto" }, text),
      reasons.rating && because(scale, reasons.rating),
      reasons.choice && reasons.choice.item !== reasons.rating?.item && chosen(reasons.choice)),
    h("div.guess",
      !scale.choices && h("span.number", { "aria-hidden": "true" }, scale.estimate(row.prediction)),
      !scale.choices && ruler(scale, row),
      row.low != null && h("span.fine", { "aria-hidden": "true" }, `${scale.estimate(row.low)} to ${scale.estimate(row.high)}`),
      chance),
  ].filter(Boolean);
}

function slide(row, from) {
  const easing = "cubic-bezier(.2,.7,.2,1)";
  if (from === undefined) row.animate({ opacity: [0, 1] }, { duration: 500, easing });
  else row.animate({ transform: [`translateY(${from - row.getBoundingClientRect().top}px)`, "none"] }, { duration: 450, easing });
}

/** A list whose `update` shows other recommendations; of a newcomer only is known what all people choose. */
export function recommendations(scale) {
  const list = h("ol.picks");
  const element = h("div.picked", !scale.choices && axis(scale), list);
  let rows = new Map();
  let order = null;

  function update({ recommendations: told, level }, newcomer) {
    const tops = new Map([...rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
    const [ratings, choices] = [telling(told, "because"), telling(told, "choices")];
    rows = new Map(told.map((one) => [one.item, rows.get(one.item) ?? h("li")]));
    told.forEach((one, rank) => rows.get(one.item).replaceChildren(...content(scale, { ...one, level }, rank, order, { rating: ratings[rank], choice: choices[rank], newcomer })));
    list.replaceChildren(...rows.values());
    order = new Map(told.map((one, rank) => [one.item, rank]));
    if (!calm() && list.isConnected) for (const [id, row] of rows) slide(row, tops.get(id));
  }
  return { element, update };
}
