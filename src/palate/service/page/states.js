// What is shown while there is nothing to show yet, or no more, or something went wrong.
import { h, heading, say } from "./dom.js";
import { named } from "./words.js";

const LONGEST = 15;

const pause = (seconds, signal) =>
  new Promise((done) => {
    setTimeout(done, 1000 * seconds);
    signal.addEventListener("abort", done);
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

/** A placeholder; CSS lets it appear only after a moment, so that fast answers do not flicker. */
export const skeleton = () => h("div.skeleton", { role: "status" }, h("span.unseen", "Loading"), Array.from({ length: 6 }, () => h("i")));

export const empty = (title, ...more) => h("div.state", h("h2", title), more);

/** Says that an address leads nowhere. */
export const lost = () => h("div.state.failed", heading("There is no such page"), h("p", "Nothing is shown at this address."), h("a.button", { href: "#/" }, "To the first page"));

/** Says what went wrong, on a page of its own or in a part of one. */
export function failed(failure, seconds, now) {
  if (seconds) say(`${failure.title}. Trying again.`);
  const unknown = failure.status === 404;
  return h("div.state.failed",
    heading(unknown ? `There is no such ${named.one}` : failure.title ?? "This page broke"),
    h("p", failure.message),
    seconds && h("p.soft", `Trying again in ${Math.round(seconds)} s. Nothing that you rated is lost.`),
    now ? h("button", { onclick: now }, "Try again now") : h("a.button", { href: "#/" }, "To the first page"));
}

/** A line that tells how a change fares, and a function that makes changes and keeps that line. */
export function keeper(signal) {
  const line = h("p.notice", { role: "status" });
  const failing = (failure, seconds, now) =>
    line.replaceChildren(h("strong", `${failure.title}. `), `Not saved yet; trying again in ${Math.round(seconds)} s. `, h("button.small", { type: "button", onclick: now }, "Try now"));
  const keep = async (change, after) => {
    try {
      await patiently(change, signal, failing);
      line.replaceChildren();
      await after();
    } catch (failure) {
      if (!signal.aborted) line.replaceChildren(h("strong", "Not saved: "), failure.message);
    }
  };
  return [line, keep];
}
