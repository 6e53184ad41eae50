// The first screen: one question after another, and beside them what the answers lead to.
import { get, getIfAny, withdraw } from "./api.js";
import { h, itemPath, link, say } from "./dom.js";
import { recommendations } from "./list.js";
import { rater } from "./rate.js";
import { Scale } from "./scale.js";
import { empty, failed, patiently } from "./states.js";
import { many, percent, quoted, wording } from "./words.js";

const SHOWN = 10;
const SKIPPED = "palate-skipped";

const skipped = () => JSON.parse(sessionStorage.getItem(SKIPPED) ?? "[]");
const skip = (id) => sessionStorage.setItem(SKIPPED, JSON.stringify([...skipped(), id].slice(-200)));

/** What to ask next. A model that does not know how sure it is leaves us with what most people know. */
async function question(scale, signal) {
  const out = skipped();
  if (scale.certain) {
    const told = await getIfAny("me/questions", { n: 1, exclude: out }, signal);
    if (told) return told.questions[0] ?? null;
    if (out.length) sessionStorage.removeItem(SKIPPED); // ids of another model
  }
  const { ratings } = await get("me/ratings", {}, signal);
  const known = new Set([...out, ...ratings.map((one) => one.item)].map(String));
  const { items } = await get("items", { n: 100 }, signal);
  return items.find((one) => one.has_score && !known.has(String(one.item))) ?? null;
}

const wanted = (n, signal) => get("me/recommendations", { n }, signal);

export async function taste(route, signal) {
  const [facts, me, first] = await Promise.all([get("model", {}, signal), get("me", {}, signal), wanted(SHOWN, signal)]);
  const scale = new Scale(facts);
  const asking = h("div", { class: "asking" });
  const list = recommendations(scale);
  const heading = h("h2", {});
  const note = h("p", { class: "soft" });
  const more = h("button", { class: "more", onclick: () => ((shown += SHOWN), refresh()) }, "Show more");
  let shown = SHOWN;
  let rated = me.ratings;

  function told(answer) {
    list.update(answer);
    heading.textContent = rated ? "You may like" : "What most people like";
    const bars = answer.level ? `Each band holds the true rating with ${percent(answer.level)} chance.` : "";
    note.textContent = rated ? `From ${many(rated, "rating")} of yours. ${bars}` : `Until you have rated something. ${bars}`;
    more.hidden = answer.recommendations.length < shown;
    if (!answer.recommendations.length) list.element.replaceChildren(empty("Nothing is left", h("p", {}, "You have rated everything that there is.")));
  }

  async function refresh() {
    const answer = await patiently(() => wanted(shown, signal), signal, troubled).catch(unlessLeft);
    if (!answer) return;
    told(answer);
    const best = answer.recommendations[0];
    if (best) say(`${many(rated, "rating")}. Now first: ${wording(best).name}. ${scale.sentence({ ...best, level: answer.level })}`);
  }

  const troubled = (failure, seconds, now) => {
    const shownNow = failed(failure, seconds, now);
    shownNow.querySelector("h1").replaceWith(h("h2", {}, failure.title));
    asking.replaceChildren(shownNow);
  };
  const unlessLeft = (failure) => {
    if (!signal.aborted) troubled(failure);
  };

  async function ask(undo) {
    const row = await patiently(() => question(scale, signal), signal, troubled).catch(unlessLeft);
    if (row === undefined || signal.aborted) return;
    const had = asking.contains(document.activeElement);
    asking.replaceChildren(row ? card(row) : finished(), undo ?? "");
    if (had) asking.querySelector("input, button.strong")?.focus({ preventScroll: true });
  }

  function card(row) {
    const { title, text } = wording(row);
    const done = (rating) => {
      rated += 1;
      progress();
      ask(undoing(row, rating));
      refresh();
    };
    const dontKnow = () => (skip(row.item), ask());
    return h(
      "article",
      { class: "card question" },
      title ? h("h2", { class: "title", dir: "auto" }, title) : null,
      text ? h("p", { class: "text", dir: "auto", tabindex: text.length > 700 ? 0 : null }, text) : null,
      rater(scale, row, { done, skip: dontKnow, signal }),
      row.tells ? h("p", { class: "soft tells" }, `Your answer takes away about ${percent(row.tells)} of what is still uncertain about your taste.`) : null,
    );
  }

  const undoing = (row, rating) => {
    const back = async () => {
      await patiently(() => withdraw(row.item), signal, troubled).catch(unlessLeft);
      rated -= 1;
      progress();
      ask();
      refresh();
    };
    const given = scale.choices ? ["You liked ", link(itemPath(row.item), quoted(row))] : ["You gave ", h("b", {}, scale.say(rating)), " to ", link(itemPath(row.item), quoted(row))];
    return h("p", { class: "undo" }, h("span", {}, given), h("button", { class: "small", onclick: back }, "Undo"));
  };

  const finished = () =>
    empty("No more questions", h("p", {}, "You have rated or skipped all that could be asked."), h("button", { onclick: () => (sessionStorage.removeItem(SKIPPED), ask()) }, "Ask again what I skipped"));

  const heard = h("p", { class: "lead" });
  const progress = () =>
    heard.replaceChildren(rated ? `${many(rated, "rating")} so far. Each one sharpens the list.` : "Rate a few of these. After each one, the list is worked out anew: what you may like, how sure that is, and why.");
  progress();
  told(first);
  await ask();
  return h(
    "div",
    { class: "taste" },
    h("section", { class: "left" }, h("h1", { tabindex: -1 }, "What is your taste?"), heard, asking),
    h("section", { class: "right", "aria-label": "Recommendations" }, heading, note, list.element, more),
  );
}
