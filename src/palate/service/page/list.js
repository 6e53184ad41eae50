// The list of recommendations: rows that keep their identity, so that one sees them move.
import { calm, h, itemPath, link } from "./dom.js";
import { axis, ruler } from "./scale.js";
import { quoted, wording } from "./words.js";

function because(scale, row) {
  const reasons = row.because ?? [];
  if (!reasons.length) return null;
  const liked = (one) => scale.choices || one.rating >= scale.mean;
  const named = (one) => [link(itemPath(one.item), quoted(one)), scale.choices ? "" : ` (${scale.say(one.rating)})`];
  const [first, second] = reasons;
  const begin = liked(first) ? "because you liked " : "because you did not care for ";
  const more = second && liked(second) === liked(first) ? [" and ", named(second)] : [];
  return h("p", { class: "because" }, begin, named(first), more);
}

const moved = (before, now) => {
  if (before === undefined) return h("span", { class: "moved" }, "new");
  if (before === now) return null;
  return h("span", { class: "moved", title: `was number ${before + 1}` }, before > now ? `↑ ${before - now}` : `↓ ${now - before}`);
};

function content(scale, row, level, rank, before) {
  const { title, text } = wording(row);
  const sure = row.low !== undefined && row.low !== null;
  return [
    h("span", { class: "rank", "aria-hidden": "true" }, rank + 1, before && moved(before.get(row.item), rank)),
    h(
      "div",
      { class: "what" },
      h("h3", { dir: "auto" }, link(itemPath(row.item), title || text)),
      title && text ? h("p", { class: "text short", dir: "auto" }, text) : null,
      because(scale, row),
    ),
    h(
      "div",
      { class: "guess" },
      h("span", { class: "number", "aria-hidden": "true" }, scale.say(row.prediction)),
      scale.choices ? null : ruler(scale, { ...row, level }),
      sure ? h("span", { class: "span", "aria-hidden": "true" }, `${scale.say(row.low)} to ${scale.say(row.high)}`) : null,
    ),
  ];
}

/** A list whose `update` shows other recommendations. */
export function recommendations(scale) {
  const list = h("ol", { class: "picks" });
  const rows = new Map();
  let order;
  const element = h("div", { class: "picked" }, scale.choices ? null : axis(scale), list);

  function update({ recommendations: told, level }) {
    const tops = new Map([...rows].map(([id, row]) => [id, row.getBoundingClientRect().top]));
    const next = told.map((row, rank) => {
      const shown = rows.get(row.item) ?? h("li", {});
      shown.replaceChildren(...content(scale, row, level, rank, order).filter(Boolean));
      rows.set(row.item, shown);
      return shown;
    });
    list.replaceChildren(...next);
    order = new Map(told.map((row, rank) => [row.item, rank]));
    for (const [id, row] of rows) {
      if (!order.has(id)) rows.delete(id);
      else if (!calm() && list.isConnected) slide(row, tops.get(id));
    }
  }
  return { element, update };
}

function slide(row, from) {
  const easing = "cubic-bezier(.2,.7,.2,1)";
  if (from === undefined) row.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 500, easing });
  else {
    const way = from - row.getBoundingClientRect().top;
    if (way) row.animate([{ transform: `translateY(${way}px)` }, { transform: "none" }], { duration: 450, easing });
  }
}
