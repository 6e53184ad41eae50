// One item: its text, what is predicted and why, the visitor's rating, and what similar people like.
import { get } from "./api.js";
import { h, heading, say, toItem } from "./dom.js";
import { facts } from "./facts.js";
import { rater } from "./rate.js";
import { axis, ruler, Scale } from "./scale.js";
import { count, fixed, many, named, percent, quoted, wording } from "./words.js";

function predicted(scale, row, own) {
  if (!row) return h("p", "The model has no rating of this yet, so nothing can be predicted.");
  const sure = row.low == null ? "This model does not tell how sure it is." : `With ${percent(row.level)} chance between ${scale.estimate(row.low)} and ${scale.estimate(row.high)}.`;
  return [h("p.big.number", scale.estimate(row.prediction)), !scale.choices && [ruler(scale, row, own), axis(scale)], h("p.soft", scale.choices ? "A score: the higher, the likelier you choose it." : sure)];
}

const bar = (share, kind = "i") => {
  const made = h(kind);
  made.style.width = `${100 * Math.max(0, share)}%`;
  return made;
};

/** What speaks for and against, as bars from a middle line. */
function reasons(scale, told) {
  const parts = (told?.contributions ?? []).filter((one) => Math.abs(one.contribution) > 0.005);
  if (!parts.length) return "";
  const most = Math.max(...parts.map((one) => Math.abs(one.contribution)));
  const row = ({ contribution, ...one }) =>
    h("li",
      h("span.clamp", toItem(one.item, quoted(one)), scale.choices ? "" : ` you gave ${scale.sayRating(one.rating)}`),
      h("span.pull", bar(Math.abs(contribution) / most, contribution < 0 ? "i.against" : "i")),
      h("span.number", `${contribution < 0 ? "" : "+"}${fixed(contribution)}`));
  const from = scale.choices ? "" : ` The prediction starts from ${scale.estimate(told.intercept)}.`;
  return h("section", h("h2", scale.choices ? "Why it may be chosen" : "Why this prediction"), h("p.soft", `How much each of your ratings speaks for it (to the right) or against it.${from}`), h("ul.rows", parts.map(row)));
}

/** What the visitor chose that people choose together with this, whatever they say of it. */
function choices(told) {
  const parts = (told?.choices ?? []).filter((one) => one.contribution > 0);
  if (!parts.length) return "";
  const most = parts[0].contribution;
  const row = (one) => h("li.two", h("span.clamp", toItem(one.item, quoted(one))), h("span.alike", bar(one.contribution / most)));
  return h("section", h("h2", "Why you may choose it"), h("p.soft", `People who chose these ${named.many} of yours choose this one, too.`), h("ul.rows", parts.map(row)));
}

function similar(told) {
  if (!told?.similar.length) return "";
  const row = (one) => h("li", h("span.clamp", { dir: "auto" }, toItem(one.id, wording({ item: one.id, title: one.title }).name)), h("span.alike", bar(one.similarity)), h("span.number", h("span.unseen", "Similarity "), fixed(one.similarity)));
  return h("section.similar", h("h2", "The same people like"), h("p.soft", "Alike in who rates them high, from 0 to 1."), h("ul.rows", told.similar.map(row)));
}

/** The item itself. A text that begins with the title stands alone: the title would say it twice. */
function about(scale, row) {
  const { title, text, name } = wording(row);
  const head = heading(title || name);
  head.dir = "auto";
  head.dataset.title = name;
  if (!title) head.className = "unseen";
  const mean = row.mean === null || scale.choices ? "" : ` · ${scale.estimate(row.mean)} on average`;
  const rated = row.ratings ? `${many(row.ratings, "rating")}${mean}` : "never rated";
  return [h("p.eyebrow", `${named.one} ${count(row.item) === String(row.item) ? row.item : ""} · ${rated}`.replace("  ", " ")), head, text && h("p.text", { dir: "auto" }, text)];
}

export async function item({ id }, signal) {
  const own = encodeURIComponent(id);
  const [model, row] = await Promise.all([facts(signal), get(`items/${own}`, signal)]);
  const scale = new Scale(model);
  const guess = async () => {
    const level = scale.certain ? 0.8 : null;
    const known = row.has_score ? [get(`me/predictions/${own}`, signal, { level }), get(`me/explanations/${own}`, signal, { n: 6 })] : [];
    const [{ ratings }, prediction, explained] = await Promise.all([get("me/ratings", signal), ...known]);
    return [prediction, explained, ratings.find((one) => one.item === row.item)?.rating];
  };
  const [first, alike] = await Promise.all([guess(), row.has_score ? get(`items/${own}/similar`, signal, { n: 8 }) : null]);

  const box = h("div.box");
  const why = h("div.why");
  const done = async (rating) => {
    const told = await guess();
    const had = box.contains(document.activeElement);
    fill(told);
    say(rating === null ? "Your rating is deleted." : `Rated ${scale.say(rating)}.`);
    if (had) box.querySelector("input, button")?.focus({ preventScroll: true });
  };
  function fill([prediction, explained, given]) {
    const guessed = given == null || scale.choices ? "Predicted for you" : "What the model says, knowing your rating";
    const later = !row.has_score && h("p.soft", "Nothing was learned of it yet: your rating counts from the next fit on.");
    const rating = h("section.card", h("h2", given == null || scale.choices ? "Your rating" : `You rated it ${scale.sayRating(given)}`), later, rater(scale, row, { own: given, done, signal }));
    box.replaceChildren(h("section.card", h("h2", guessed), predicted(scale, prediction, given)), rating);
    why.replaceChildren(...[reasons(scale, explained), choices(explained)].filter(Boolean));
  }
  fill(first);
  return h("div.item.split", h("article", about(scale, row)), box, h("div.more", why, similar(alike)));
}
