// All that is kept of the visitor, to be changed and deleted.
import { forget, get, rate, withdraw } from "./api.js";
import { h, heading, say, toItem } from "./dom.js";
import { facts } from "./facts.js";
import { control, Scale } from "./scale.js";
import { empty, keeper } from "./states.js";
import { many, wording } from "./words.js";

const PRIVACY = [
  "Your ratings, each with its item and time, in the database of whoever runs this service. No name, no address, nothing of what you look at.",
  "A cookie with a random name, set by your first rating, so that you find your ratings again. No script and no other site can read it. It lasts a year.",
  "Which items you skipped, in this tab only.",
  "Whoever does not come back is forgotten after a year, unless whoever runs this service has set another time.",
  "A model that is fitted anew may learn from your ratings until you delete them. Other visitors never see them.",
];

function line(scale, row, signal, gone) {
  const [told, keep] = keeper(signal);
  const { name } = wording(row);
  let last = row.rating;
  const settled = (value) => value !== last && ((last = value), keep(() => rate(row.item, value), () => (say(`Saved: ${scale.say(value)}`), told.replaceChildren("Saved."))));
  // The arrow keys choose a button at once: there is nothing else to press.
  const chosen = (value) => scale.values.length && settled(value);
  const away = () => keep(() => withdraw(row.item), () => gone(element));
  const element = h("li",
    h("p.clamp", { dir: "auto" }, toItem(row.item, name)),
    !scale.choices && control(scale, { value: row.rating, label: `Your rating of: ${name}`, settled, chosen }),
    h("button.small", { "aria-label": `Delete my rating of ${name}`, onclick: away }, "Delete"),
    told);
  return element;
}

export async function mine(route, signal) {
  const [about, me, { ratings }] = await Promise.all([facts(signal), get("me", signal), get("me/ratings", signal)]);
  const scale = new Scale(about);
  const head = heading("My ratings");
  const body = h("div");
  const [told, keep] = keeper(signal);
  const erase = () =>
    keep(forget, () => {
      sessionStorage.clear();
      none(false);
      told.replaceChildren("Everything is deleted, the cookie too.");
      head.focus();
    });

  function none(cookie) {
    const kept = cookie ? "All that is kept of you is a cookie with a random name." : "So nothing is kept of you, not even a cookie.";
    body.replaceChildren(empty("You have rated nothing", h("p", kept), h("div.buttons", h("a.button", { href: "#/" }, "Rate a few"), cookie && h("button", { onclick: erase }, "Take the cookie back"))));
  }

  function all() {
    const summary = h("p.soft");
    const list = h("ul.own");
    const dialog = h("dialog", { "aria-labelledby": "sure" },
      h("h2", { id: "sure" }, "Delete all your ratings?"),
      h("p", "They and the cookie are deleted at once, and cannot be brought back."),
      h("div.buttons", h("button.strong", { onclick: () => (dialog.close(), erase()) }, "Delete everything"), h("button", { onclick: () => dialog.close() }, "Keep them")));
    const counted = () => (summary.textContent = `${many(list.children.length, "rating")}. Each change is saved at once.`);
    const gone = (row) => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      counted();
      say("Your rating is deleted.");
      if (next) next.querySelector("a").focus();
      else erase();
    };
    list.append(...ratings.map((one) => line(scale, one, signal, gone)));
    counted();
    body.replaceChildren(summary, list, h("button.danger", { onclick: () => dialog.showModal() }, "Delete all my ratings"), dialog);
  }
  if (ratings.length) all();
  else none(me.known);
  return h("div.split.mine", h("section", head, told, body), h("section.card", h("h2", "What is kept of you"), h("ul.privacy", PRIVACY.map((one) => h("li", one)))));
}
