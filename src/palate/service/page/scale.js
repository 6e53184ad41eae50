// The model's scale: a ruler to read predictions from, and a slider on it to rate with.
import { h } from "./dom.js";

function stepOf(width) {
  if (width <= 10) return width <= 1 ? 0.1 : 0.5;
  const wanted = width / 40;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return power * [5, 2, 1].find((one) => one * power <= wanted);
}

/** What can be said on a model's scale. A model of choices has none: its scores only rank. */
export class Scale {
  constructor(facts) {
    [this.low, this.high] = facts.scale;
    this.certain = facts.certain;
    this.choices = facts.rates === false || "unobserved" in facts.solver;
    this.mean = facts.mean;
    this.step = stepOf(this.high - this.low);
    this.middle = (this.low + this.high) / 2;
    this.digits = this.choices ? 2 : 1;
  }

  say(value) {
    const told = Number(value).toFixed(this.digits).replace(/\.0$/, "");
    return this.low < 0 && Number(told) > 0 ? `+${told}` : told.replace("-", "−").replace(/^−0$/, "0");
  }

  at(value) {
    return `${(100 * Math.min(1, Math.max(0, (value - this.low) / (this.high - this.low)))).toFixed(2)}%`;
  }

  /** A prediction in words: for screen readers, who do not see the ruler. */
  sentence({ prediction, low, high, level }) {
    const told = this.choices ? `Score ${this.say(prediction)}` : `Predicted rating ${this.say(prediction)}`;
    if (low === undefined || low === null) return told;
    return `${told}; with ${Math.round(100 * (level ?? 0.8))} % chance between ${this.say(low)} and ${this.say(high)}`;
  }
}

const placed = (name, scale, from, to) => {
  const mark = h("span", { class: name });
  mark.style.left = scale.at(from);
  if (to !== undefined) mark.style.width = `calc(${scale.at(to)} - ${scale.at(from)})`;
  return mark;
};

export function ruler(scale, row, own = null) {
  const sure = row.low !== undefined && row.low !== null;
  const say = scale.sentence(row) + (own === null ? "" : `. You rated it ${scale.say(own)}`);
  return h(
    "div",
    { class: "ruler", role: "img", "aria-label": say },
    [0, 0.25, 0.5, 0.75, 1].map((share) => placed("tick", scale, scale.low + share * (scale.high - scale.low))),
    sure && placed("band", scale, row.low, row.high),
    own !== null && placed("own", scale, own),
    placed("dot", scale, row.prediction),
  );
}

/** The ends of the scale, to stand above or below rulers. */
export const axis = (scale) =>
  h("div", { class: "axis", "aria-hidden": "true" }, [scale.low, scale.middle, scale.high].map((one) => h("span", {}, scale.say(one))));

/** A slider with its number. `chosen(value)` is told of each move, `settled(value)` when the hand lets go. */
export function slider(scale, { value = null, label, chosen = () => {}, settled = () => {} }) {
  const number = h("output", { class: "number" }, value === null ? "·" : scale.say(value));
  const input = h("input", { type: "range", min: scale.low, max: scale.high, step: scale.step, value: value ?? scale.middle, "aria-label": label });
  const told = () => {
    number.textContent = scale.say(input.value);
    input.setAttribute("aria-valuetext", scale.say(input.value));
    input.classList.remove("untouched");
    chosen(Number(input.value));
  };
  if (value === null) input.classList.add("untouched");
  else input.setAttribute("aria-valuetext", scale.say(value));
  input.addEventListener("input", told);
  input.addEventListener("pointerup", told); // a press on the middle moves nothing, but means it
  input.addEventListener("keydown", (event) => event.key === " " && (event.preventDefault(), told()));
  input.addEventListener("change", () => settled(Number(input.value)));
  return h("div", { class: "slider" }, number, input, axis(scale), h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, "not at all"), h("span", {}, "very much")));
}
