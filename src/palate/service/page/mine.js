// All that is kept of the visitor, to be changed and deleted.
import { forget, get, rate, withdraw } from "./api.js";
import { h, itemPath, link, say } from "./dom.js";
import { Scale, slider } from "./scale.js";
import { empty, notice, patiently } from "./states.js";
import { many, wording } from "./words.js";

function line(scale, row, signal, gone) {
  const told = notice();
  const keep = async (change, after) => {
    try {
      await patiently(change, signal, told.failing);
      told.clear();
      after();
    } catch (failure) {
      if (!signal.aborted) told.refused(failure);
    }
  };
  const { name } = wording(row);
  const settled = (value) => keep(() => rate(row.item, value), () => (told.tell("Saved."), say(`${name}: now ${scale.say(value)}.`)));
  return h(
    "li",
    {},
    h("p", { class: "name", dir: "auto" }, link(itemPath(row.item), name)),
    scale.choices ? null : slider(scale, { value: row.rating, label: `Your rating of: ${name}`, settled }),
    h("button", { class: "small", "aria-label": `Delete my rating of ${name}`, onclick: () => keep(() => withdraw(row.item), gone) }, "Delete"),
    told.element,
  );
}

const privacy = () =>
  h(
    "section",
    { class: "card privacy" },
    h("h2", {}, "What is kept of you"),
    h("ul", {}, [
      "Your ratings, each with its item and time, in the database of whoever runs this service. Nothing else: no name, no address, no record of what you look at.",
      "One cookie with a random name, set by your first rating, so that you find your ratings again. No script can read it, and no other site gets it. It lasts a year.",
      "Which items you skipped, in this tab of your browser only.",
      "Ratings of somebody who does not come back are deleted after a year, unless whoever runs this service has set another time.",
      "A model that is fitted anew may learn from your ratings until you delete them. Other visitors never see them.",
    ].map((one) => h("li", {}, one))),
  );

function confirming(number, erase) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "sure" },
    h("h2", { id: "sure" }, `Delete ${number === 1 ? "your rating" : `all ${number} ratings`}?`),
    h("p", {}, "They and the cookie are deleted at once, and cannot be brought back."),
    h("div", { class: "buttons" }, h("button", { class: "strong", onclick: () => (dialog.close(), erase()) }, "Delete everything"), h("button", { onclick: () => dialog.close() }, "Keep them")),
  );
  return dialog;
}

export async function mine(route, signal) {
  const [facts, me, { ratings }] = await Promise.all([get("model", {}, signal), get("me", {}, signal), get("me/ratings", {}, signal)]);
  const scale = new Scale(facts);
  const heading = h("h1", { tabindex: -1 }, "My ratings");
  const body = h("div");
  const told = notice();
  let left = ratings.length;

  function none(cookie = false) {
    const kept = cookie ? "All that is kept of you is a cookie with a random name." : "So nothing is kept of you, not even a cookie.";
    const away = cookie ? h("button", { onclick: () => erase() }, "Take the cookie back") : null;
    body.replaceChildren(empty("You have rated nothing", h("p", {}, kept), h("div", { class: "buttons" }, h("a", { class: "button", href: "#/" }, "Rate a few"), away)));
  }
  const erase = async () => {
    try {
      await patiently(forget, signal, told.failing);
      sessionStorage.clear();
      told.tell("Everything is deleted, the cookie too.");
      none();
      heading.focus();
    } catch (failure) {
      if (!signal.aborted) told.refused(failure);
    }
  };

  function show() {
    const summary = h("p", { class: "soft" });
    const counted = () => (summary.textContent = `${many(left, "rating")}. Each change is saved at once.`);
    const list = h("ul", { class: "own" });
    const gone = (row) => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      left -= 1;
      counted();
      say("Your rating is deleted.");
      if (left) next?.querySelector("a").focus();
      else erase();
    };
    for (const one of ratings) {
      const row = line(scale, one, signal, () => gone(row));
      list.append(row);
    }
    const dialogs = h("div");
    const open = () => {
      const dialog = confirming(left, erase);
      dialogs.replaceChildren(dialog);
      dialog.showModal();
    };
    counted();
    body.replaceChildren(summary, list, h("p", {}, h("button", { class: "danger", onclick: open }, "Delete all my ratings")), dialogs);
  }
  if (ratings.length) show();
  else none(me.known);
  return h("div", { class: "mine" }, h("section", {}, heading, told.element, body), privacy());
}
