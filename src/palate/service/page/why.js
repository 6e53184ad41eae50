// Why a row stands in the list: in each row the reason that tells it from the other rows.
import { h, toItem } from "./dom.js";
import { quoted } from "./words.js";

const STRONG = 0.35; // A reason counts as one of the strongest if it has this share of the strongest one.

/**
 * One reason for each row: of its strongest ones the one that fewest of the rows above it show. `what` is the name of
 * the reasons of one kind: "because" (they raise the prediction) or "choices" (they raise the chance of the choice).
 */
export function telling(rows, what) {
  const shown = new Map();
  return rows.map((row) => {
    const all = row[what] ?? [];
    const strongest = all.filter((one) => one.contribution >= STRONG * all[0].contribution);
    const uses = (one) => shown.get(one.item) ?? 0;
    const [best] = strongest.sort((one, other) => uses(one) - uses(other) || other.contribution - one.contribution);
    if (best) shown.set(best.item, uses(best) + 1);
    return best;
  });
}

const link = (one) => toItem(one.item, quoted(one, 44));

/** The reason of one kind in words. */
export function because(scale, one) {
  if (scale.choices) return h("p.because", "because you liked ", link(one));
  const verb = one.rating >= scale.mean ? "because you liked " : "because you did not care for ";
  return h("p.because", verb, link(one), ` (${scale.sayRating(one.rating)})`);
}

/** The reason why it is likely chosen, which says nothing about how it is rated. */
export const chosen = (one) => h("p.because", "people who chose ", link(one), " choose this");
