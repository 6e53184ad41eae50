// The first screen: one question after another, and beside them what the answers lead to.
import { get, withdraw } from "./api.js";
import { h, heading, say, toItem } from "./dom.js";
import { recommendations } from "./list.js";
import { rater } from "./rate.js";
import { facts } from "./facts.js";
import { Scale } from "./scale.js";
import { empty, failed, patiently } from "./states.js";
import { capital, many, named, percent, quoted, wording } from "./words.js";

const SHOWN = 10;
const REASONS = 12; // among which each row shows the one that tells it from the others
const SKIPPED = "palate-skipped";

const skipped = () => JSON.parse(sessionStorage.getItem(SKIPPED) ?? "[]");
const skip = (id) => sessionStorage.setItem(SKIPPED, JSON.stringify([...skipped(), id].slice(-200)));

/** What to ask next. A model that does not know how sure it is leaves us with what most people know. */
async function question(scale, signal) {
  const out = skipped();
  if (scale.certain) {
    try {
      return (await get("me/questions", signal, { n: 1, exclude: out })).questions[0] ?? null;
    } catch (failure) {
      if (failure.status !== 404) throw failure;
      sessionStorage.removeItem(SKIPPED); // ids of another model
    }
  }
  const { ratings } = await get("me/ratings", signal);
  const known = new Set([...out, ...ratings.map((one) => one.item)].map(String));
  const { items } = await get("items", signal, { n: 100 });
  return items.find((one) => one.has_score && !known.has(String(one.item))) ?? null;
}

export async function taste(route, signal) {
  let shown = SHOWN;
  const wanted = () => get("me/recommendations", signal, { n: shown, reasons: REASONS });
  const [about, me, first] = await Promise.all([facts(signal), get("me", signal), wanted()]);
  const scale = new Scale(about);
  const asking = h("div.asking");
  const list = recommendations(scale);
  const head = h("h2");
  const note = h("p.soft");
  const lead = h("p.lead");
  const more = h("button", { onclick: longer }, "Show more");
  let rated = me.ratings;

  const troubled = (...told) => signal.aborted || asking.replaceChildren(failed(...told));
  const trying = (task) => patiently(task, signal, troubled).catch(troubled);

  function show(answer) {
    const newcomer = !rated || answer.degraded;
    list.update(answer, newcomer);
    const order = scale.interest ? `First comes what ${newcomer ? "people most often choose and like" : "you would most likely choose and like"}.` : "";
    const bands = answer.level ? `The dot is the rating you would give; the band holds it with ${percent(answer.level)} chance.` : "";
    head.textContent = rated ? `${capital(named.many)} you may like` : `${capital(named.many)} that most people like`;
    note.textContent = [rated ? `From ${many(rated, "rating")} of yours.` : "This list is for everybody, until you have rated something.", order, bands].filter(Boolean).join(" ");
    if (answer.degraded) note.textContent = "The server cannot read your ratings at the moment: this is the list for everybody.";
    lead.textContent = rated ? "Each rating sharpens the list." : about.intro || `Rate a few ${named.many}. After each one the list is worked out anew: which ${named.many} you may like, how sure that is, and why.`;
    more.hidden = answer.recommendations.length < shown;
    if (!answer.recommendations.length) note.textContent = "Nothing is left: you have rated everything.";
  }

  async function longer() {
    shown += SHOWN;
    await refresh();
    if (asking.querySelector(".failed")) await ask(); // the server was away meanwhile
  }

  const refresh = () =>
    trying(async () => {
      const answer = await wanted();
      show(answer);
      const best = answer.recommendations[0];
      if (best) say(`${many(rated, "rating")}. Now first: ${wording(best).name}. ${scale.sentence({ ...best, level: answer.level })}`);
    });

  const ask = (undo = "") =>
    trying(async () => {
      const row = await question(scale, signal);
      const had = asking.contains(document.activeElement);
      asking.replaceChildren(row ? card(row) : finished(), undo);
      if (had) asking.querySelector("input, button")?.focus({ preventScroll: true });
    });

  // One after the other: the list must not fail with a message that the next question wipes away.
  const anew = async (change, undo) => {
    rated += change;
    await refresh();
    await ask(undo);
  };

  function card(row) {
    const { title, text } = wording(row);
    const dontKnow = () => (skip(row.item), ask());
    return h("article.card.question",
      h("p.eyebrow", `Do you know this ${named.one}?`),
      title && h("h2", { dir: "auto" }, title),
      text && h("p.text", { dir: "auto", tabindex: 0 }, text),
      rater(scale, row, { done: (rating) => anew(1, undoing(row, rating)), skip: dontKnow, signal }),
      row.tells >= 0.01 && h("p.soft", `Your answer takes away about ${percent(row.tells)} of what is uncertain about your taste.`));
  }

  function undoing(row, rating) {
    const back = async () => {
      await trying(() => withdraw(row.item));
      await anew(-1);
    };
    return h("p.undo", h("span.clamp", scale.choices ? "You liked " : `You gave ${scale.sayRating(rating)} to `, toItem(row.item, quoted(row))), h("button.small", { onclick: back }, "Undo"));
  }

  const finished = () =>
    empty("No more questions", h("p", "You have rated or skipped all that could be asked."), h("button", { onclick: () => (sessionStorage.removeItem(SKIPPED), ask()) }, "Ask again what I skipped"));

  show(first);
  await ask();
  return h("div.taste.split", h("section", heading(rated ? "What is your taste?" : `Which ${named.many} will you like?`), lead, asking), h("section.right", { "aria-label": "Recommendations" }, head, note, list.element, more));
}
