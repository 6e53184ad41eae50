// Why a row stands in the list: in each row the reason that tells it from the other rows.
import { h, toItem } from "./dom.js";
import { quoted } from "./words.js";

const STRONG = 0.15; // A reason counts as one of the strongest if it has this share of the strongest one.
const MOST = 3; // What stands under more rows than this tells them no longer from each other.

/**
 * One reason for each row, or none: of its strongest ones the one that fewest of the rows above it show. `what` is the
 * name of the reasons of one kind: "because" (they raise the prediction) or "choices" (the chance of the choice).
 */
export function telling(rows, what) {
  const shown = new Map();
  const uses = (one) => shown.get(one.item) ?? 0;
  return rows.map((row) => {
    const all = row[what] ?? [];
    const strongest = all.filter((one) => one.contribution >= STRONG * all[0].contribution && uses(one) < MOST);
    const [best] = strongest.sort((one, other) => uses(one) - uses(other) || other.contribution - one.contribution);
    if (best) shown.set(best.item, uses(best) + 1);
    return best;
  });
}

const link = (one) => toItem(one.item, quoted(one, 44));

/** The reason of one kind in words. */
export function because(scale, one) {
  if (scale.choices) return h("p.because", "because you liked ", link(one));
  return h("p.because", "because you gave ", scale.sayRating(one.rating), " to ", link(one));
}

/** The reason why it is likely chosen, which says nothing about how it is rated. */
export const chosen = (one) => h("p.because", "people who chose ", link(one), " choose this");
