// Rating one item: a slider or stars and its buttons, or for a model of choices one button.
import { rate, withdraw } from "./api.js";
import { h } from "./dom.js";
import { control } from "./scale.js";
import { keeper } from "./states.js";
import { wording } from "./words.js";

/**
 * `done(rating)` is called when a rating is stored, with null when it was withdrawn; `skip()`, if given, when the
 * visitor does not know the item.
 */
export function rater(scale, row, { own, done, skip, signal }) {
  const [line, keep] = keeper(signal);
  let value = scale.choices ? Math.max(1, scale.high) : own;
  const put = h("button.strong");
  const isReady = () => value != null && value !== own;
  const word = () => {
    if (scale.choices) put.textContent = own == null ? "I like it" : "You like it";
    else if (value == null) put.textContent = scale.values.length ? "Choose a rating" : "Move the slider to rate";
    else put.textContent = `${own == null ? "Rate" : "Change to"} ${scale.sayRating(value)}`;
    put.ariaDisabled = String(!isReady());
  };
  const change = async (what, rating) => {
    if (form.classList.contains("busy")) return;
    form.classList.add("busy");
    await keep(what, () => done(rating));
    form.classList.remove("busy");
  };
  const chosen = (one) => ((value = one), word());
  const settled = (one) => scale.values.length && (chosen(one), form.requestSubmit());
  const chooser = scale.choices ? null : control(scale, { value: own, label: `Your rating of: ${wording(row).name}`, chosen, settled });
  const form = h("form.rater", { "aria-label": "Your rating" }, chooser,
    h("div.buttons", put,
      skip && h("button", { type: "button", onclick: skip }, "I don’t know it, skip"),
      own != null && h("button", { type: "button", onclick: () => change(() => withdraw(row.item), null) }, "Delete my rating")),
    line);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isReady()) change(() => rate(row.item, value), value);
    else form.querySelector("input")?.focus();
  });
  if (!scale.values.length) chooser?.addEventListener("keydown", (event) => event.key === "Enter" && form.requestSubmit());
  word();
  return form;
}
