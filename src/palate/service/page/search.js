// Finding items by their words, page by page.
import { get } from "./api.js";
import { h, itemPath, link, say } from "./dom.js";
import { Scale } from "./scale.js";
import { empty, failed, patiently } from "./states.js";
import { count, many, wording } from "./words.js";

const PAGE = 20;
const REST = 250;

const address = (words, page) => `search?${new URLSearchParams({ ...(words && { q: words }), ...(page > 1 && { page }) })}`;

function found(scale, row) {
  const { title, text } = wording(row);
  const mean = row.mean === null || scale.choices ? "" : ` · ${scale.say(row.mean)} on average`;
  return h(
    "li",
    {},
    h("h2", { class: "hit", dir: "auto" }, link(itemPath(row.item), title || text)),
    title && text ? h("p", { class: "text short", dir: "auto" }, text) : null,
    h("p", { class: "soft" }, row.ratings ? many(row.ratings, "rating") + mean : "never rated"),
  );
}

function pager(words, page, total) {
  const pages = Math.ceil(total / PAGE);
  if (pages < 2) return null;
  const to = (number, word) => (number < 1 || number > pages ? h("span", { class: "button off" }, word) : h("a", { class: "button", href: `#/${address(words, number)}` }, word));
  return h("nav", { class: "pager", "aria-label": "Pages of results" }, to(page - 1, "← Before"), h("span", {}, `Page ${count(page)} of ${count(pages)}`), to(page + 1, "Next →"));
}

export async function search(route, signal) {
  const results = h("div", { class: "results" });
  const field = h("input", { type: "search", id: "words", value: route.parameters.get("q") ?? "", maxlength: 200, autocomplete: "off", spellcheck: "false", placeholder: "Words that it holds" });
  const scale = new Scale(await get("model", {}, signal));
  const ask = (words, page) => get("items", { q: words, n: PAGE, offset: PAGE * (page - 1) }, signal);
  let turn = 0;

  function tell(words, page, { total, items }) {
    const head = words ? `${many(total, "item")} with these words` : `${many(total, "item")}, those rated most first`;
    const none = page > 1 ? "This page is past the end" : words ? "Nothing holds all these words" : "The model has no items";
    results.replaceChildren(
      ...(items.length
        ? [h("p", { class: "soft" }, head), h("ol", { class: "hits", start: PAGE * (page - 1) + 1 }, items.map((row) => found(scale, row))), pager(words, page, total)].filter(Boolean)
        : [empty(none, h("p", {}, "Fewer or shorter words find more; parts of words count too."))]),
    );
    say(head);
  }

  async function look(words) {
    const mine = (turn += 1);
    try {
      const told = await patiently(() => ask(words, 1), signal, (...more) => results.replaceChildren(failed(...more)));
      if (mine !== turn) return;
      history.replaceState(null, "", `#/${address(words, 1)}`);
      tell(words, 1, told);
    } catch (failure) {
      if (!signal.aborted && mine === turn) results.replaceChildren(failed(failure));
    }
  }

  let timer;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => look(field.value.trim()), REST);
  });
  const form = h("form", { role: "search", class: "search", onsubmit: (event) => (event.preventDefault(), look(field.value.trim())) }, h("label", { for: "words" }, "Search in titles and texts"), field);
  const page = Math.max(1, Math.floor(Number(route.parameters.get("page"))) || 1);
  const words = field.value.trim();
  tell(words, page, await ask(words, page));
  return h("div", { class: "column" }, h("h1", { tabindex: -1 }, "Search"), form, results);
}
