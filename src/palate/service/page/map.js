// All items in two dimensions. Hovering, touching or focusing reads a text; a list says the same in words.
import { get } from "./api.js";
import { h, heading, itemPath, s, toItem } from "./dom.js";
import { typicalWords } from "./kinds.js";
import { Scale } from "./scale.js";
import { empty } from "./states.js";
import { count, many, percent, wording } from "./words.js";

// Kinds differ by shape as well as by colour.
const SHAPES = ["M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0", "M-.9-.9H.9V.9H-.9Z", "M0-1.25 1.25 0 0 1.25-1.25 0Z", "M0-1.2 1.15.9H-1.15Z", "M-.35-1.1h.7v.75h.75v.7h-.75v.75h-.7v-.75h-.75v-.7h.75Z", "M0 1.2-1.15-.9H1.15Z"];
const REACH = 6;

const shape = (kind) => s("path", { d: SHAPES[kind % SHAPES.length] });
const sign = (kind) => s(`svg.sign.kind${kind % SHAPES.length}`, { viewBox: "-1.4 -1.4 2.8 2.8", "aria-hidden": "true" }, shape(kind));
const place = (one) => [100 * (one.x + 1), 100 * (1 - one.y)];

function mark(one, most, few, own) {
  const size = (few ? 1.3 : 0.8) + (few ? 1.3 : 0.9) * Math.sqrt(one.ratings / most);
  const [x, y] = place(one);
  return s(`g.kind${one.group % SHAPES.length}${own ? ".mine" : ""}`, { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${size.toFixed(2)})` }, shape(one.group));
}

/** The index of the item under a pointer, or null. */
function nearest(items, plot, event) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
  let [best, least] = [null, event.pointerType === "touch" ? 3 * REACH : REACH];
  items.forEach((one, index) => {
    const [px, py] = place(one);
    const far = Math.hypot(px - x, py - y);
    if (far < least) [best, least] = [index, far];
  });
  return best;
}

export async function map(route, signal) {
  const [facts, { items, groups, explained }, { ratings }] = await Promise.all([get("model", signal), get("map", signal), get("me/ratings", signal)]);
  if (!items.length) return h("div", heading("Map"), empty("There is nothing to draw"));
  const scale = new Scale(facts);
  const own = new Map(ratings.map((one) => [one.item, one.rating]));
  const most = Math.max(...items.map((one) => one.ratings), 1);
  const marks = items.map((one) => mark(one, most, items.length < 500, own.has(one.item)));
  const ring = s("circle.ring", { r: 5, visibility: "hidden" });
  const told = `Map of ${many(items.length, "item")} in ${many(groups, "kind")}. The list below it tells the same.`;
  const plot = s("svg.map", { viewBox: "-8 -8 216 216", role: "img", "aria-label": told }, s("path.grid", { d: "M100-8V208M-8 100H208" }), marks, ring);
  const reading = h("div.card.reading", h("p.soft", "Point at a mark, or go through the list, to read it here."));

  function read(index) {
    const one = items[index];
    const { title, text } = wording(one);
    const [cx, cy] = place(one);
    for (const [name, value] of Object.entries({ cx, cy, visibility: "visible" })) ring.setAttribute(name, value);
    const given = own.has(one.item) && !scale.choices ? ` · you gave ${scale.say(own.get(one.item))}` : "";
    reading.replaceChildren(h("h2", { dir: "auto" }, sign(one.group), toItem(one.item, title || text)), title && text ? h("p.text", { dir: "auto" }, text) : "", h("p.soft", many(one.ratings, "rating"), given));
  }
  plot.addEventListener("pointermove", (event) => {
    const index = nearest(items, plot, event);
    plot.classList.toggle("on", index !== null);
    if (index !== null) read(index);
  });
  plot.addEventListener("click", (event) => {
    const index = nearest(items, plot, event);
    if (index !== null && event.pointerType === "touch") read(index);
    else if (index !== null) location.hash = itemPath(items[index].item);
  });

  function kind(words, group) {
    const row = (one, index) => {
      if (one.group !== group) return [];
      const link = toItem(one.item, wording(one).name);
      for (const event of ["focus", "pointerenter"]) link.addEventListener(event, () => read(index));
      return h("li.clamp", { dir: "auto" }, link);
    };
    const rows = items.flatMap(row);
    const box = h("details", { name: "kind" }, h("summary", sign(group), words.join(", ") || `Kind ${group + 1}`, h("span.soft", count(rows.length))), h("ul", rows));
    box.addEventListener("toggle", () => {
      const opened = document.querySelector(".kinds [open]");
      marks.forEach((one, index) => one.classList.toggle("faint", Boolean(opened) && !opened.contains(boxes[items[index].group].lastChild)));
    });
    return box;
  }
  const boxes = typicalWords(items, groups).map(kind);
  const drawn = facts.items > items.length ? ` Drawn are the ${count(items.length)} items rated most.` : "";
  const about = `What is near each other is liked by the same people. These two dimensions tell ${percent(explained[0] + explained[1])} of how tastes differ.${drawn} Larger: rated more.${own.size ? " Outlined: rated by you." : ""}`;
  return h("div.atlas", h("section", heading("Map"), h("p.soft", about), plot), h("section.side", reading, h("h2", "Kinds"), h("p.soft", "Found by the model from ratings alone, named by their most typical words."), h("div.kinds", boxes)));
}
