// All items in two dimensions. Hovering, touching or focusing reads a text; a list says the same in words.
import { get } from "./api.js";
import { h, heading, itemPath, s, toItem } from "./dom.js";
import { facts } from "./facts.js";
import { Scale } from "./scale.js";
import { empty } from "./states.js";
import { count, items as countItems, many, named, percent, shortened, wording } from "./words.js";
import { zoomable } from "./zoom.js";

// Kinds differ by shape as well as by colour.
const SHAPES = ["M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0", "M-.9-.9H.9V.9H-.9Z", "M0-1.25 1.25 0 0 1.25-1.25 0Z", "M0-1.2 1.15.9H-1.15Z", "M-.35-1.1h.7v.75h.75v.7h-.75v.75h-.7v-.75h-.75v-.7h.75Z", "M0 1.2-1.15-.9H1.15Z"];
const REACH = 6;
const [WIDE, HIGH] = [300, 240];
const LABEL = 26; // Letters of a name on the map.
const letters = () => (innerWidth < 700 ? 11 : 6.2); // Their height in units of the map, which is small on a phone.

const shape = (kind) => s("path", { d: SHAPES[kind % SHAPES.length] });
const sign = (kind) => s(`svg.sign.kind${kind % SHAPES.length}`, { viewBox: "-1.4 -1.4 2.8 2.8", "aria-hidden": "true" }, shape(kind));
const place = (one) => [(WIDE / 2) * (one.x + 1), (HIGH / 2) * (1 - one.y)];

function mark(one, most, few, own) {
  const size = (few ? 1.3 : 0.8) + (few ? 1.3 : 0.9) * Math.sqrt(one.ratings / most);
  const [x, y] = place(one);
  return s(`g.kind${one.group % SHAPES.length}${own ? ".mine" : ""}`, { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, "data-size": size.toFixed(2) }, shape(one.group));
}

/** The index of the item under a pointer, or null. */
function nearest(items, plot, event, reach) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
  let [best, least] = [null, event.pointerType === "touch" ? 3 * reach : reach];
  items.forEach((one, index) => {
    const [px, py] = place(one);
    const far = Math.hypot(px - x, py - y);
    if (far < least) [best, least] = [index, far];
  });
  return best;
}

const kindName = (names, item, longest) => names.map((title) => shortened(wording({ item, title, text: "" }).name, longest)).join(" · ");

/** The name of each kind, where its items lie thickest; labels that would cover another one move down. */
function labels(items, kinds) {
  const taken = [];
  return kinds.map((names, group) => {
    const members = items.filter((one) => one.group === group).sort((one, other) => other.ratings - one.ratings);
    if (!members.length) return null;
    const middle = (axis) => members.map((one) => place(one)[axis]).sort((a, b) => a - b)[members.length >> 1];
    let [x, y] = [Math.min(WIDE - 7 * letters(), Math.max(7 * letters(), middle(0))), middle(1)];
    while (taken.some(([tx, ty]) => Math.abs(tx - x) < 13 * letters() && Math.abs(ty - y) < 1.4 * letters())) y = y > HIGH - 12 ? 8 : y + 1.4 * letters();
    taken.push([x, y]);
    return s(`text.label.kind${group % SHAPES.length}`, { x, y }, shortened(kindName(names.slice(0, 1), members[0].item, LABEL), LABEL));
  });
}

export async function map(route, signal) {
  const [model, { items, kinds, explained }, { ratings }] = await Promise.all([facts(signal), get("map", signal), get("me/ratings", signal)]);
  if (!items.length) return h("div", heading("Map"), empty("There is nothing to draw"));
  const scale = new Scale(model);
  const own = new Map(ratings.map((one) => [one.item, one.rating]));
  const most = Math.max(...items.map((one) => one.ratings), 1);
  const marks = items.map((one) => mark(one, most, items.length < 500, own.has(one.item)));
  const names = labels(items, kinds);
  const ring = s("circle.ring", { r: 5, visibility: "hidden" });
  const told = `Map of ${countItems(items.length)} in ${many(kinds.length, "kind")}. The list beside it tells the same.`;
  const plot = s("svg.map", { role: "img", "aria-label": told }, marks, names.filter(Boolean), ring);
  const reading = h("div.card.reading", h("p.soft", "Point at a mark, or go through the list, to read it here."));
  const zoom = zoomable(plot, [-8, -8, WIDE + 16, HIGH + 16], (factor) => {
    for (const one of marks) one.firstChild.setAttribute("transform", `scale(${(one.dataset.size / factor ** 0.7).toFixed(3)})`);
    ring.setAttribute("r", 5 / factor ** 0.8);
    for (const one of names) if (one) one.style.fontSize = `${letters() / factor}px`;
  });

  function read(index) {
    const one = items[index];
    const { title, text } = wording(one);
    const [cx, cy] = place(one);
    for (const [name, value] of Object.entries({ cx, cy, visibility: "visible" })) ring.setAttribute(name, value);
    const given = own.has(one.item) && !scale.choices ? ` · you gave ${scale.sayRating(own.get(one.item))}` : "";
    reading.replaceChildren(h("h2", { dir: "auto" }, sign(one.group), toItem(one.item, title || text)), title && text ? h("p.text", { dir: "auto" }, text) : "", h("p.soft", many(one.ratings, "rating"), given));
  }
  const under = (event) => nearest(items, plot, event, REACH / zoom.factor());
  plot.addEventListener("pointermove", (event) => {
    const index = under(event);
    plot.classList.toggle("on", index !== null);
    if (index !== null) read(index);
  });
  plot.addEventListener("click", (event) => {
    if (zoom.dragged()) return;
    const index = under(event);
    if (index !== null && event.pointerType === "touch") read(index);
    else if (index !== null) location.hash = itemPath(items[index].item);
  });

  function kind(words, group) {
    const row = (one, index) => {
      if (one.group !== group) return [];
      const link = toItem(one.item, wording(one).name);
      for (const event of ["focus", "pointerenter"]) link.addEventListener(event, () => read(index));
      return [[one.ratings, h("li.clamp", { dir: "auto" }, link)]];
    };
    const rows = items.flatMap(row).sort(([a], [b]) => b - a).map(([, made]) => made);
    const box = h("details", { name: "kind" }, h("summary", sign(group), h("span.clamp", kindName(words, "", 40)), h("span.soft", count(rows.length))), h("ul", rows));
    box.addEventListener("toggle", () => {
      const opened = document.querySelector(".kinds [open]");
      marks.forEach((one, index) => one.classList.toggle("faint", Boolean(opened) && boxes[items[index].group] !== opened));
    });
    return box;
  }
  const boxes = kinds.map(kind);
  const drawn = model.items > items.length ? ` Drawn are the ${countItems(items.length)} rated most.` : "";
  const about = `What is near each other is liked by the same people. These two dimensions tell ${percent(explained[0] + explained[1])} of how tastes differ; they are stretched so that the map is filled.${drawn} Larger: rated more.${own.size ? " Outlined: rated by you." : ""}`;
  return h("div.atlas", h("section", heading("Map"), h("p.soft", about), h("div.plot", plot, zoom.buttons)), h("section.side", reading, h("h2", "Kinds"), h("p.soft", `Found by the model from ratings alone. Each is named by those of its ${named.many} that are rated most.`), h("div.kinds", boxes)));
}
