// All items in two dimensions. Hovering, touching or focusing reads a text; a list says the same in words.
import { get, getIfAny } from "./api.js";
import { h, itemPath, link, s } from "./dom.js";
import { typicalWords } from "./kinds.js";
import { Scale } from "./scale.js";
import { empty } from "./states.js";
import { count, many, percent, wording } from "./words.js";

const SIDE = 100;
const REACH = 6;
// Kinds differ by shape as well as by colour.
const SHAPES = ["M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0", "M-.9-.9H.9V.9H-.9Z", "M0-1.25 1.25 0 0 1.25-1.25 0Z", "M0-1.2 1.15.9H-1.15Z", "M-.35-1.1h.7v.75h.75v.7h-.75v.75h-.7v-.75h-.75v-.7h.75Z", "M0 1.2-1.15-.9H1.15Z"];

const shape = (kind, size) => s("path", { d: SHAPES[kind % SHAPES.length], transform: `scale(${size})` });
const sign = (kind) => s("svg", { viewBox: "-1.4 -1.4 2.8 2.8", class: `sign kind${kind % 6}`, "aria-hidden": "true" }, shape(kind, 1));

export async function map(route, signal) {
  const [facts, { items, groups, explained }, mine] = await Promise.all([get("model", {}, signal), get("map", {}, signal), getIfAny("me/ratings", {}, signal)]);
  const scale = new Scale(facts);
  const own = new Map((mine?.ratings ?? []).map((one) => [String(one.item), one.rating]));
  const heading = h("h1", { tabindex: -1 }, "Map");
  if (!items.length) return h("div", { class: "column" }, heading, empty("There is nothing to draw"));
  const most = Math.max(...items.map((one) => one.ratings), 1);
  const size = (one) => (items.length > 500 ? 0.5 : 0.8) + 0.8 * Math.sqrt(one.ratings / most);
  const at = (one) => [SIDE * (one.x + 1), SIDE * (1 - one.y)];

  const points = items.map((one) => {
    const [x, y] = at(one);
    return s("g", { class: `kind${one.group % 6}${own.has(String(one.item)) ? " mine" : ""}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` }, shape(one.group, size(one) * 1.6));
  });
  const ring = s("circle", { class: "ring", r: 5, visibility: "hidden" });
  const grid = [0.5, 1, 1.5].map((part) => s("path", { class: "grid", d: `M${SIDE * part}-8V208M-8 ${SIDE * part}H208` }));
  const plot = s("svg", { viewBox: "-8 -8 216 216", class: "map", role: "img", "aria-label": `Map of ${many(items.length, "item")} in ${many(groups, "kind")}. The list tells the same.` }, grid, points, ring);

  const reading = h("div", { class: "card reading" });
  const resting = () => reading.replaceChildren(h("p", { class: "soft" }, "Point at a mark, or go through the list, to read it here."));
  let shown = null;
  function read(index) {
    if (index === shown) return;
    shown = index;
    const one = items[index];
    const { title, text } = wording(one);
    const [x, y] = at(one);
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    ring.setAttribute("visibility", "visible");
    const given = own.get(String(one.item));
    reading.replaceChildren(
      h("h2", { dir: "auto" }, sign(one.group), link(itemPath(one.item), title || text)),
      title && text ? h("p", { class: "text", dir: "auto" }, text) : "",
      h("p", { class: "soft" }, many(one.ratings, "rating"), given === undefined || scale.choices ? "" : ` · you gave ${scale.say(given)}`),
    );
  }

  function nearest(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    let best = null;
    let least = event.pointerType === "touch" ? (2 * REACH) ** 2 : REACH ** 2;
    items.forEach((one, index) => {
      const [px, py] = at(one);
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least) [best, least] = [index, far];
    });
    return best;
  }
  const over = (event) => {
    const index = nearest(event);
    plot.classList.toggle("on", index !== null);
    if (index !== null) read(index);
  };
  plot.addEventListener("pointermove", over);
  plot.addEventListener("click", (event) => {
    const index = nearest(event);
    if (index === null) return;
    if (event.pointerType === "touch") read(index);
    else location.hash = `#/${itemPath(items[index].item)}`;
  });

  const names = typicalWords(items, groups);
  const kinds = names.map((words, kind) => {
    const members = items.map((one, index) => [one, index]).filter(([one]) => one.group === kind);
    const row = ([one, index]) => h("li", {}, h("a", { href: `#/${itemPath(one.item)}`, onfocus: () => read(index), onpointerenter: () => read(index), dir: "auto" }, wording(one).name));
    const box = h("details", { name: "kind" }, h("summary", {}, sign(kind), h("span", {}, words.length ? words.join(", ") : `Kind ${kind + 1}`), h("span", { class: "soft" }, count(members.length))));
    box.addEventListener("toggle", () => {
      plot.dataset.only = box.open ? kind : "";
      points.forEach((point, index) => point.classList.toggle("faint", box.open && items[index].group !== kind));
      if (box.open && box.childElementCount === 1) box.append(h("ul", {}, members.map(row)));
    });
    return members.length ? box : null;
  });
  resting();
  return h(
    "div",
    { class: "atlas" },
    h("section", {}, heading, h("p", { class: "soft" }, `Near each other: liked by the same people. ${facts.items > items.length ? `The ${count(items.length)} items rated most. ` : ""}These two dimensions hold ${percent(explained[0] + explained[1])} of how tastes differ; larger marks are rated more${own.size ? ", ringed ones you rated" : ""}.`), plot),
    h("section", { class: "side" }, reading, h("h2", {}, "Kinds"), h("p", { class: "soft" }, "Found by the model from ratings alone, named by their most typical words."), h("div", { class: "kinds" }, kinds)),
  );
}
