// The model's scale: a ruler to read predictions from, and a slider, stars or buttons to rate with.
import { h, s } from "./dom.js";

const STAR = "M12 2.2 15 8.7l7.1.8-5.3 4.8 1.5 7-6.3-3.6-6.3 3.6 1.5-7L1.9 9.5 9 8.7Z";

function stepOf(width) {
  if (width <= 10) return width <= 1 ? 0.1 : 0.5;
  const power = 10 ** Math.floor(Math.log10(width / 40));
  return power * [5, 2, 1].find((one) => one * power <= width / 40);
}

/** What can be said on a model's scale. A model of choices has none: its scores only rank. */
export class Scale {
  constructor(facts) {
    [this.low, this.high] = facts.scale;
    this.certain = facts.certain;
    this.choices = facts.predicts === "choice";
    this.interest = facts.interest;
    this.mean = facts.mean;
    this.values = facts.values;
    this.step = this.values.length ? this.values[1] - this.values[0] : 0;
    // Stars count from nothing: one step is one star, or half a star.
    this.stars = this.values.length > 0 && this.values[0] === this.step && (this.step === 1 || this.step === 0.5);
  }

  /** A rating, or a mark of the scale: without decimals where it has none. */
  say(value) {
    return this.estimate(value).replace(/^\+?([−\d]+)\.0$/, (all, whole) => (all[0] === "+" ? "+" : "") + whole);
  }

  /** A prediction, a mean, or an end of an interval: always with its decimals, so that columns line up. */
  estimate(value) {
    const told = Number(value).toFixed(this.choices ? 2 : 1).replace(/^-(0\.0+)$/, "$1");
    return this.low < 0 && Number(told) > 0 ? `+${told}` : told.replace("-", "−");
  }

  /** A rating that somebody gave: "4 ★", or the plain number. */
  sayRating(value) {
    return this.say(value) + (this.stars ? "\u00a0★" : "");
  }

  part(share) {
    return this.low + share * (this.high - this.low);
  }

  at(value) {
    return `${(100 * Math.min(1, Math.max(0, (value - this.low) / (this.high - this.low)))).toFixed(2)}%`;
  }

  /** A prediction in words, for those who do not see the ruler. */
  sentence({ prediction, low, high, level }) {
    const chance = low == null ? "" : `; with ${Math.round(100 * level)}% chance between ${this.estimate(low)} and ${this.estimate(high)}`;
    return `${this.choices ? "Score" : "Predicted rating"} ${this.estimate(prediction)}${chance}`;
  }

  /** Where marks stand: at each value if they are few, else at quarters. */
  get ticks() {
    return this.values.length > 1 && this.values.length <= 7 ? this.values : [0, 0.25, 0.5, 0.75, 1].map((share) => this.part(share));
  }
}

export function ruler(scale, row, own) {
  const placed = (kind, from, to) => {
    const mark = h(kind);
    mark.style.left = scale.at(from);
    if (to != null) mark.style.width = `calc(${scale.at(to)} - ${scale.at(from)})`;
    return mark;
  };
  const told = scale.sentence(row) + (own == null ? "" : `. You rated it ${scale.say(own)}`);
  return h("div.ruler", { role: "img", "aria-label": told },
    scale.ticks.map((value) => placed("span.tick", value)),
    row.low != null && placed("span.band", row.low, row.high),
    own != null && placed("span.own", own),
    placed("span.dot", row.prediction));
}

/** Numbers above or below rulers: the ends of the scale and its middle, or each of a few values. */
export function axis(scale) {
  const ticks = scale.ticks.length === 5 && !scale.values.length ? [0, 0.5, 1].map((share) => scale.part(share)) : scale.ticks;
  return h("div.axis", { "aria-hidden": "true" }, ticks.map((value) => h("span", scale.say(value))));
}

/** A slider with its number. `chosen(value)` is told of each move, `settled(value)` when the hand lets go. */
function slider(scale, { value, label, chosen = () => {}, settled = () => {} }) {
  const number = h("output.number", value == null ? "?" : scale.say(value));
  const input = h("input", { type: "range", min: scale.low, max: scale.high, step: stepOf(scale.high - scale.low), value: value ?? scale.part(0.5), "aria-label": label });
  const tell = () => {
    number.textContent = scale.say(input.value);
    input.setAttribute("aria-valuetext", number.textContent);
    number.classList.remove("open");
    chosen(Number(input.value));
  };
  if (value == null) number.classList.add("open");
  input.setAttribute("aria-valuetext", value == null ? "not rated" : scale.say(value));
  input.addEventListener("input", tell);
  input.addEventListener("pointerup", tell); // a press on the middle moves nothing, but means it
  input.addEventListener("change", () => settled(Number(input.value)));
  return h("div.slider", number, input, axis(scale));
}

/** A whole star, or one half of it. */
function star(scale, place) {
  if (scale.step === 1) return s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: STAR }));
  return s("svg.half", { viewBox: place % 2 ? "12 0 12 24" : "0 0 12 24", "aria-hidden": "true" }, s("path", { d: STAR }));
}

/** One button for each value. A press settles at once; with the arrow keys one chooses first. */
function buttons(scale, { value, label, chosen = () => {}, settled = () => {} }) {
  const name = `values-${(buttons.made = (buttons.made ?? 0) + 1)}`;
  const labels = scale.values.map((one, place) => {
    const input = h("input", { type: "radio", name, value: one, "aria-label": scale.stars ? `${scale.say(one)} of ${scale.say(scale.high)} stars` : scale.say(one) });
    input.checked = one === value;
    const face = scale.stars ? star(scale, place) : h("span", scale.say(one));
    const made = h("label", input, face);
    input.addEventListener("change", () => show(place, one));
    // The arrow keys make clicks, too, but not by a pointer.
    input.addEventListener("click", (event) => event.detail && queueMicrotask(() => settled(one)));
    return made;
  });
  const fill = (last) => labels.forEach((one, place) => one.classList.toggle("full", scale.stars ? place <= last : place === last));
  const show = (place, one) => (fill(place), chosen(one));
  fill(scale.values.indexOf(value));
  return h(scale.stars ? "div.values.stars" : "div.values.chips", { role: "radiogroup", "aria-label": label }, labels);
}

/** What to rate with: stars or buttons where the values are few, else a slider. */
export const control = (scale, options) => (scale.values.length ? buttons : slider)(scale, options);
