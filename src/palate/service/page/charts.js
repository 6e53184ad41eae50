// Small charts as SVG that CSS colours. Each has its numbers as a table too.
import { h, s } from "./dom.js";

const [WIDE, HIGH, LEFT, RIGHT, LOW, TOP] = [400, 250, 58, 24, 42, 26];

/** Round values between two, about this number of them. */
function steps(low, high, about) {
  const power = 10 ** Math.floor(Math.log10((high - low || 1) / about));
  const step = power * [1, 2, 5, 10].find((one) => one * power * about >= high - low);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

const told = (value) => (Math.abs(value) >= 1000 ? `${value / 1000}k` : String(value).replace("-", "−"));
const text = (kind, x, y, words) => s(`text.${kind}`, { x, y }, words);

/** The frame of a chart; `draw` gets functions from values to places in it. */
function frame({ x: [left, right], y: [low, high], labelX, labelY, label, names, say = told }, draw) {
  const px = (value) => LEFT + ((WIDE - LEFT - RIGHT) * (value - left)) / (right - left || 1);
  const py = (value) => HIGH - LOW - ((HIGH - LOW - TOP) * (value - low)) / (high - low || 1);
  return s("svg.chart", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": label },
    steps(low, high, 4).map((one) => [s("path.grid", { d: `M${LEFT} ${py(one)}H${WIDE - RIGHT}` }), text("end", LEFT - 8, py(one) + 5, say(one))]),
    (names ?? steps(left, right, 5)).map((one, at) => text("middle", px(names ? left + ((at + 0.5) * (right - left)) / names.length : one), HIGH - LOW + 20, names ? one : say(one))),
    text("end", WIDE - RIGHT, HIGH - 4, labelX), text("start", 0, 12, labelY), draw(px, py));
}

function table(heads, rows) {
  const cells = (kind, row) => h("tr", row.map((one) => h(kind, one)));
  return h("details.numbers", h("summary", "The numbers"), h("div.scroll", { tabindex: 0, role: "region", "aria-label": "The numbers" }, h("table", h("thead", cells("th", heads)), h("tbody", rows.map((row) => cells("td", row))))));
}

/** Lines: each has a name, a kind (its CSS class) and points [x, y]. */
export function lines(series, options, heads, rows) {
  const path = (px, py) => series.map((one) => s(`path.line.${one.kind}`, { d: `M${one.points.map(([x, y]) => `${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("L")}` }));
  return [h("ul.key", series.map((one) => h(`li.${one.kind}`, one.name))), frame(options, path), table(heads, rows)];
}

export function histogram(edges, counts, options, heads, rows) {
  const bar = (px, py) => counts.map((one, at) => s("rect.bar", { x: px(edges[at]) + 1, width: Math.max(1, px(edges[at + 1]) - px(edges[at]) - 2), y: py(one), height: py(0) - py(one) }));
  return [frame({ ...options, x: [edges[0], edges.at(-1)], y: [0, Math.max(...counts, 1)] }, bar), table(heads, rows)];
}

/** Bars with a name and a number each, the smallest first. The first row given is ours, and is marked. */
export function bars([ours, ...others], say) {
  const rows = [ours, ...others].sort(([, one], [, other]) => one - other);
  const most = rows.at(-1)[1];
  return h("ul.bars", rows.map(([name, value]) => {
    const bar = h("i");
    bar.style.width = `${(100 * value) / most}%`;
    return h(name === ours[0] ? "li.ours" : "li", h("span", name), h("span.track", bar), h("span.number", say(value)));
  }));
}
