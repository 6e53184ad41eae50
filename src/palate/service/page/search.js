// Finding items by their words, page by page.
import { get } from "./api.js";
import { h, heading, say, toItem } from "./dom.js";
import { facts } from "./facts.js";
import { Scale } from "./scale.js";
import { empty, failed, patiently } from "./states.js";
import { count, items, many, wording } from "./words.js";

const PAGE = 20;
const REST = 250;

const address = (words, page) => `#/search?${new URLSearchParams({ ...(words && { q: words }), ...(page > 1 && { page }) })}`;

function found(scale, row) {
  const { title, text } = wording(row);
  const mean = row.mean === null || scale.choices ? "" : ` · ${scale.estimate(row.mean)} on average`;
  return h("li",
    h("h2.clamp", { dir: "auto" }, toItem(row.item, title || text)),
    title && text && h("p.text.clamp", { dir: "auto" }, text),
    h("p.soft", row.ratings ? many(row.ratings, "rating") + mean : "never rated"));
}

function pager(words, page, total) {
  const pages = Math.ceil(total / PAGE);
  const to = (number, word) => (number < 1 || number > pages ? h("span") : h("a.button", { href: address(words, number) }, word));
  return h("nav.pager", { "aria-label": "Pages of results" }, to(page - 1, "← Before"), h("span", `Page ${count(page)} of ${count(pages)}`), to(page + 1, "Next →"));
}

export async function search({ parameters }, signal) {
  const scale = new Scale(await facts(signal));
  const results = h("div");
  const field = h("input", { type: "search", id: "words", value: parameters.get("q"), maxlength: 200, autocomplete: "off", spellcheck: "false" });
  let turn = 0;

  const ask = (words, page) => get("items", signal, { q: words, n: PAGE, offset: PAGE * (page - 1) });

  function tell(words, page, { total, items: rows }) {
    const head = `${items(total)}${words ? " with these words" : ", those rated most first"}`;
    say(head);
    if (!rows.length) return results.replaceChildren(empty(words ? "Nothing holds all these words" : "There is nothing here", h("p", "Fewer or shorter words find more; parts of words count too.")));
    return results.replaceChildren(h("p.soft", head), h("ol.hits", rows.map((row) => found(scale, row))), total > PAGE ? pager(words, page, total) : "");
  }

  async function look() {
    const words = field.value.trim();
    const mine = (turn += 1);
    const failing = (...told) => signal.aborted || mine !== turn || results.replaceChildren(failed(...told));
    const told = await patiently(() => ask(words, 1), signal, failing).catch(failing);
    if (mine !== turn || !told?.items) return;
    history.replaceState(null, "", address(words, 1));
    tell(words, 1, told);
  }

  let timer;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, REST);
  });
  const form = h("form.search.column", { role: "search", onsubmit: (event) => (event.preventDefault(), look()) }, h("label", { for: "words" }, "Words of titles or texts"), field);
  const page = Math.max(1, Math.floor(Number(parameters.get("page"))) || 1);
  tell(field.value.trim(), page, await ask(field.value.trim(), page));
  return h("div", heading("Search"), form, results);
}
