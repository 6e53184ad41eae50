// Which screen is shown: told by the part of the address after '#/', so that it survives a reload.
import { failed, patiently, skeleton } from "./states.js";

let left = new AbortController();
let clicked = false;
const places = new Map();
let here = "";

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  let id = rest.join("/");
  try {
    id = decodeURIComponent(id);
  } catch {
    // A broken address names no item: the service says so.
  }
  return { name, id, parameters: new URLSearchParams(query) };
}

/** Shows the screen of the address in `main`; screens are functions from (route, signal) to an element. */
async function show(main, screens, focus) {
  left.abort();
  left = new AbortController();
  const { signal } = left;
  const route = parse(location.hash);
  const screen = screens[route.name] ?? screens[""];
  for (const one of document.querySelectorAll("nav a")) {
    if (one.dataset.page === route.name) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  main.replaceChildren(skeleton());
  const height = clicked ? 0 : places.get(location.hash) ?? 0;
  clicked = false;
  let page;
  try {
    page = await patiently(() => screen(route, signal), signal, (...told) => signal.aborted || main.replaceChildren(failed(...told)));
  } catch (failure) {
    if (signal.aborted) return;
    if (failure.status === undefined) console.error(failure);
    page = failed(failure);
  }
  if (signal.aborted) return;
  main.replaceChildren(page);
  const heading = main.querySelector("h1");
  document.title = heading && route.name ? `${heading.dataset.title ?? heading.textContent} · palate` : "palate";
  scrollTo(0, height);
  if (focus) (heading ?? main).focus({ preventScroll: true });
}

export function start(main, screens) {
  history.scrollRestoration = "manual";
  document.addEventListener("click", (event) => (clicked = Boolean(event.target.closest?.('a[href^="#/"]'))));
  document.addEventListener("scroll", () => places.set(here, scrollY), { passive: true });
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    (main.querySelector("h1") ?? main).focus();
  });
  addEventListener("hashchange", () => {
    here = location.hash;
    show(main, screens, true);
  });
  here = location.hash;
  show(main, screens, false);
}
