// Rating one item: a slider and its buttons, or for a model of choices one button.
import { rate, withdraw } from "./api.js";
import { h } from "./dom.js";
import { slider } from "./scale.js";
import { notice, patiently } from "./states.js";
import { wording } from "./words.js";

/**
 * `done(rating)` is called when a rating is stored, with null when it was withdrawn; `skip()`, if given, when the
 * visitor does not know the item.
 */
export function rater(scale, row, { own = null, done, skip, signal }) {
  const line = notice();
  let value = own;
  const form = h("form", { class: "rater", "aria-label": "Your rating" });

  async function keep(change, rating) {
    form.classList.add("busy");
    try {
      await patiently(change, signal, line.failing);
      line.clear();
      done(rating);
    } catch (failure) {
      if (!signal.aborted) line.refused(failure);
    } finally {
      form.classList.remove("busy");
    }
  }
  const send = () => keep(() => rate(row.item, value), value);

  const put = h("button", { class: "strong" });
  const word = () => {
    if (scale.choices) put.textContent = own === null ? "I like it" : "I like it still";
    else put.textContent = value === null ? "Move the slider to rate" : `${own === null ? "Rate" : "Change to"} ${scale.say(value)}`;
    put.setAttribute("aria-disabled", String(value === null || (value === own && own !== null)));
  };
  if (scale.choices) value = Math.max(1, scale.high);
  word();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.classList.contains("busy")) return;
    if (value === null) form.querySelector("input").focus();
    else if (put.getAttribute("aria-disabled") === "false") send();
  });
  const sliding = { value: own, label: `Your rating of: ${wording(row).name}`, chosen: (one) => ((value = one), word()) };
  const control = scale.choices ? null : slider(scale, sliding);
  const enter = (event) => event.key === "Enter" && (event.preventDefault(), form.requestSubmit());
  control?.querySelector("input").addEventListener("keydown", enter);
  form.append(
    ...[
      control,
      h(
        "div",
        { class: "buttons" },
        put,
        skip && h("button", { type: "button", onclick: skip }, "I don’t know it, skip"),
        own !== null && h("button", { type: "button", onclick: () => keep(() => withdraw(row.item), null) }, "Delete my rating"),
      ),
      line.element,
    ].filter(Boolean),
  );
  return form;
}
