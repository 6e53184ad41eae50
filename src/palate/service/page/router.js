// Which screen is shown: told by the part of the address after '#/', so that it survives a reload.
import { named } from "./words.js";
import { failed, lost, patiently, skeleton } from "./states.js";

let left = new AbortController();
let clicked = false;
let here = "";
const places = new Map();

function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  let id = rest.join("/");
  try {
    id = decodeURIComponent(id);
  } catch {
    // A broken address names no item: the service says so.
  }
  return { name, id, parameters: new URLSearchParams(query) };
}

/** How the menu marks a page: the one that is shown, and the search for an item, which is found by it. */
const marked = (page, name) => (page === name ? "page" : page === "search" && name === "item" ? "true" : null);

/** Shows the screen of the address in `main`; screens are functions from (route, signal) to an element. */
async function show(main, screens, focus) {
  left.abort();
  left = new AbortController();
  const { signal } = left;
  const route = parse(location.hash);
  for (const one of document.querySelectorAll("nav a")) one.ariaCurrent = marked(one.dataset.page, route.name);
  main.replaceChildren(skeleton());
  const height = (!clicked && places.get(location.hash)) || 0;
  clicked = false;
  const failing = (...told) => signal.aborted || main.replaceChildren(failed(...told));
  const screen = Object.hasOwn(screens, route.name) ? screens[route.name] : lost;
  const page = await patiently(() => screen(route, signal), signal, failing).catch((failure) => {
    if (!signal.aborted && failure.status === undefined) console.error(failure);
    return failed(failure);
  });
  if (signal.aborted) return;
  main.replaceChildren(page);
  const head = main.querySelector("h1");
  document.title = head && route.name ? `${head.dataset.title ?? head.textContent} · ${named.page}` : named.page;
  scrollTo(0, height);
  if (focus) (head ?? main).focus({ preventScroll: true });
}

export function start(main, screens) {
  history.scrollRestoration = "manual";
  document.addEventListener("click", (event) => (clicked = Boolean(event.target.closest?.('a[href^="#/"]'))));
  document.addEventListener("scroll", () => places.set(here, scrollY), { passive: true });
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    (main.querySelector("h1") ?? main).focus();
  });
  const go = (event) => {
    here = location.hash;
    show(main, screens, Boolean(event));
  };
  addEventListener("hashchange", go);
  go();
}
