// Small charts as SVG that CSS colours. Each has its numbers as a table too.
import { h, s } from "./dom.js";

const [WIDE, HIGH, LEFT, LOW] = [560, 260, 46, 34];

function steps(low, high, about = 4) {
  const width = (high - low || 1) / about;
  const power = 10 ** Math.floor(Math.log10(width));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= width);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

const text = (x, y, told, kind) => s("text", { x, y, class: kind }, told);

/** The frame of a chart, and functions from values to places in it. */
function frame({ x: [left, right], y: [low, high], sayX = String, sayY = String, labelX, labelY, label }, draw) {
  const px = (value) => LEFT + ((WIDE - LEFT - 12) * (value - left)) / (right - left || 1);
  const py = (value) => HIGH - LOW - ((HIGH - LOW - 24) * (value - low)) / (high - low || 1);
  const lines = steps(low, high).map((one) => [s("path", { class: "grid", d: `M${LEFT} ${py(one)}H${WIDE - 12}` }), text(LEFT - 8, py(one) + 4, sayY(one), "end")]);
  const marks = steps(left, right, 5).map((one) => text(px(one), HIGH - LOW + 18, sayX(one), "middle"));
  return s("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "chart", role: "img", "aria-label": label }, lines, marks, text(WIDE - 12, HIGH - 2, labelX, "end axis-name"), text(2, 12, labelY, "axis-name"), draw(px, py));
}

const table = (heads, rows) =>
  h("details", { class: "numbers" }, h("summary", {}, "The numbers"), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The numbers" }, h("table", {}, h("thead", {}, h("tr", {}, heads.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((one) => h("td", {}, one))))))));

const key = (series) => h("ul", { class: "key" }, series.map((one) => h("li", { class: one.kind }, one.name)));

/** Lines: each of the series has a name, a kind (its CSS class) and points [x, y]. */
export function lines(series, options, heads, rows) {
  const path = (px, py) => series.map((one) => s("path", { class: `line ${one.kind}`, d: one.points.map(([x, y], at) => `${at ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("") }));
  return [key(series), frame(options, path), table(heads, rows)];
}

export function histogram(edges, counts, options, heads, rows) {
  const bar = (px, py) => counts.map((one, at) => s("rect", { class: "bar", x: px(edges[at]) + 1, width: Math.max(1, px(edges[at + 1]) - px(edges[at]) - 2), y: py(one), height: py(0) - py(one) }));
  return [frame({ ...options, x: [edges[0], edges.at(-1)], y: [0, Math.max(...counts, 1)] }, bar), table(heads, rows)];
}

/** Bars with a name and a number each, the shortest being the best. */
export function bars(rows, say) {
  const most = Math.max(...rows.map((one) => one.value));
  return h("ul", { class: "bars" }, rows.map((one) => {
    const bar = h("i");
    bar.style.width = `${(100 * one.value) / most}%`;
    return h("li", { class: one.best ? "best" : "" }, h("span", {}, one.name), h("span", { class: "track", "aria-hidden": "true" }, bar), h("span", { class: "number" }, say(one.value)));
  }));
}
