// One item: its text, what is predicted and why, the visitor's rating, and what similar people like.
import { get, getIfAny, ownRating } from "./api.js";
import { h, itemPath, link, say } from "./dom.js";
import { rater } from "./rate.js";
import { axis, ruler, Scale } from "./scale.js";
import { count, fixed, many, percent, quoted, wording } from "./words.js";

const REASONS = 6;

function predicted(scale, row, own) {
  if (!row) return [h("p", {}, "Nobody has rated this yet, so nothing can be predicted.")];
  const sure = row.low !== undefined && row.low !== null;
  return [
    h("p", { class: "big number" }, scale.say(row.prediction)),
    scale.choices ? null : [ruler(scale, row, own), axis(scale)],
    h("p", { class: "soft" }, scale.choices ? "How likely you are to choose it, as a score." : sure ? `With ${percent(row.level)} chance between ${scale.say(row.low)} and ${scale.say(row.high)}.` : "This model does not tell how sure it is."),
  ];
}

/** What speaks for and against, as bars from a middle line. */
function reasons(scale, told) {
  const parts = (told?.contributions ?? []).filter((one) => Math.abs(one.contribution) > 0.005);
  if (!parts.length) return null;
  const most = Math.max(...parts.map((one) => Math.abs(one.contribution)));
  const row = (one) => {
    const bar = h("i", { class: one.contribution < 0 ? "against" : "for" });
    bar.style.width = `${(50 * Math.abs(one.contribution)) / most}%`;
    const points = `${one.contribution < 0 ? "−" : "+"}${fixed(Math.abs(one.contribution))}`;
    return h("li", {}, h("span", { class: "why" }, link(itemPath(one.item), quoted(one)), scale.choices ? "" : ` you gave ${scale.say(one.rating)}`), h("span", { class: "pull" }, bar), h("span", { class: "number" }, points));
  };
  const from = scale.choices ? "" : ` It starts from ${scale.say(told.intercept)}, what somebody like you gives on the whole.`;
  return h("section", {}, h("h2", {}, "Why"), h("p", { class: "soft" }, `Which of your ratings speak for it and against it, in points.${from}`), h("ul", { class: "reasons" }, parts.map(row)));
}

function similar(told) {
  if (!told?.similar.length) return null;
  const row = (one) => {
    const bar = h("i", {});
    bar.style.width = `${100 * Math.max(0, one.similarity)}%`;
    return h("li", {}, link(itemPath(one.id), h("span", { dir: "auto" }, wording(one).name)), h("span", { class: "alike", "aria-hidden": "true" }, bar), h("span", { class: "number" }, h("span", { class: "unseen" }, "Similarity "), fixed(one.similarity)));
  };
  return h("section", {}, h("h2", {}, "The same people like"), h("ul", { class: "likes" }, told.similar.map(row)));
}

export async function item(route, signal) {
  const { id } = route;
  const path = `items/${encodeURIComponent(id)}`;
  const ask = encodeURIComponent(id);
  const [facts, row] = await Promise.all([get("model", {}, signal), get(path, {}, signal)]);
  const scale = new Scale(facts);
  const level = scale.certain ? 0.8 : undefined;
  const guess = () =>
    Promise.all([
      row.has_score ? getIfAny(`me/predictions/${ask}`, { level }, signal) : null,
      row.has_score ? getIfAny(`me/explanations/${ask}`, { n: REASONS }, signal) : null,
      row.has_score ? ownRating(id, signal) : null,
    ]);
  const [alike, ...first] = await Promise.all([row.has_score ? getIfAny(`${path}/similar`, { n: 8 }, signal) : null, guess()]).then(([a, g]) => [a, ...g]);

  const box = h("div", { class: "box" });
  const why = h("div");
  function fill([prediction, explained, own]) {
    const given = own ? own.rating : null;
    const done = async (rating) => {
      say(rating === null ? "Your rating is deleted." : `Rated ${scale.say(rating)}.`);
      const had = box.contains(document.activeElement);
      fill(await guess());
      if (had) box.querySelector("input, button")?.focus({ preventScroll: true });
    };
    box.replaceChildren(
      h("section", { class: "card" }, h("h2", {}, given === null || scale.choices ? "Predicted for you" : "The model’s guess, knowing your rating"), predicted(scale, prediction, given)),
      row.has_score ? h("section", { class: "card" }, h("h2", {}, given === null ? "Your rating" : `You rated it ${scale.say(given)}`), rater(scale, row, { own: given, done, signal })) : "",
    );
    why.replaceChildren(reasons(scale, explained) ?? "");
  }
  fill(first);

  const { title, text, name } = wording(row);
  const mean = row.mean === null || scale.choices ? "" : `, ${scale.say(row.mean)} on average`;
  const heading = h("h1", { tabindex: -1, "data-title": name, class: title ? "" : "text", dir: "auto" }, title || text);
  return h(
    "div",
    { class: "item" },
    h("article", {}, heading, title && text ? h("p", { class: "text", dir: "auto" }, text) : null, h("p", { class: "soft" }, row.ratings ? `${many(row.ratings, "rating")}${mean}` : "never rated", ` · item ${row.item}`)),
    box,
    h("div", { class: "below" }, why, similar(alike)),
  );
}
