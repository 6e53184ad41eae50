// The model's scale: a ruler to read predictions from, and a slider on it to rate with.
import { h } from "./dom.js";

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
    this.mean = facts.mean;
  }

  say(value) {
    const told = Number(value).toFixed(this.choices ? 2 : 1).replace(/\.0$/, "").replace(/^-0$/, "0");
    return this.low < 0 && Number(told) > 0 ? `+${told}` : told.replace("-", "−");
  }

  part(share) {
    return this.low + share * (this.high - this.low);
  }

  at(value) {
    return `${(100 * Math.min(1, Math.max(0, (value - this.low) / (this.high - this.low)))).toFixed(2)}%`;
  }

  /** A prediction in words, for those who do not see the ruler. */
  sentence({ prediction, low, high, level }) {
    const chance = low == null ? "" : `; with ${Math.round(100 * level)} % chance between ${this.say(low)} and ${this.say(high)}`;
    return `${this.choices ? "Score" : "Predicted rating"} ${this.say(prediction)}${chance}`;
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
    [0, 0.25, 0.5, 0.75, 1].map((share) => placed("span.tick", scale.part(share))),
    row.low != null && placed("span.band", row.low, row.high),
    own != null && placed("span.own", own),
    placed("span.dot", row.prediction));
}

/** The ends of the scale and its middle, to stand above or below rulers. */
export const axis = (scale) => h("div.axis", { "aria-hidden": "true" }, [0, 0.5, 1].map((share) => h("span", scale.say(scale.part(share)))));

/** A slider with its number. `chosen(value)` is told of each move, `settled(value)` when the hand lets go. */
export function slider(scale, { value, label, chosen = () => {}, settled = () => {} }) {
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
