// What is shown while there is nothing to show yet, or no more, or something went wrong.
import { h, say } from "./dom.js";

const LONGEST = 15;
const pause = (seconds, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, 1000 * seconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

/**
 * Does a task until it works. `failing(failure, seconds, now)` is told before each pause; `now()` ends the pause.
 * What trying again cannot mend is thrown.
 */
export async function patiently(task, signal, failing) {
  for (let wait = 1; ; wait = Math.min(LONGEST, 2 * wait)) {
    try {
      return await task();
    } catch (failure) {
      if (!failure.again || signal.aborted) throw failure;
      const seconds = Math.max(wait, failure.wait);
      const early = new AbortController();
      failing(failure, seconds, () => early.abort());
      await pause(seconds, AbortSignal.any([signal, early.signal]));
      if (signal.aborted) throw failure;
    }
  }
}

/** A placeholder of lines; CSS lets it appear only after a moment, so that fast answers do not flicker. */
export const skeleton = (lines = 5) =>
  h("div", { class: "skeleton", role: "status" }, h("span", { class: "unseen" }, "Loading"), Array.from({ length: lines }, () => h("i")));

export const empty = (title, ...more) => h("div", { class: "state" }, h("h2", {}, title), more);

/** A whole page that says what went wrong. */
export function failed(failure, seconds, now) {
  if (seconds) say(`${failure.title}. Trying again.`);
  return h(
    "div",
    { class: "state failed" },
    h("h1", { tabindex: -1 }, failure.status === 404 ? "There is no such item" : failure.title ?? "This page broke"),
    h("p", {}, failure.message),
    seconds ? h("p", { class: "soft" }, `Trying again in ${Math.round(seconds)} s. Nothing that you rated is lost.`) : null,
    now ? h("button", { onclick: now }, "Try again now") : h("p", {}, h("a", { class: "button", href: "#/" }, "To the first page")),
  );
}

/** A line for what goes on with one rating. */
export function notice() {
  const line = h("p", { class: "notice", role: "status" });
  return {
    element: line,
    clear: () => line.replaceChildren(),
    tell: (...told) => line.replaceChildren(...told),
    failing: (failure, seconds, now) =>
      line.replaceChildren(
        h("strong", {}, `${failure.title}. `),
        `Not saved yet; trying again${seconds ? ` in ${Math.round(seconds)} s` : ""}. `,
        h("button", { class: "small", type: "button", onclick: now }, "Try now"),
      ),
    refused: (failure) => line.replaceChildren(h("strong", {}, "Not saved: "), failure.message),
  };
}
