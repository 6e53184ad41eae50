// The model: how large, how good, how it was fitted, and whether its intervals keep their word.
import { get } from "./api.js";
import { bars, histogram, lines } from "./charts.js";
import { h } from "./dom.js";
import { Scale } from "./scale.js";
import { bytes, count, fixed, many, percent } from "./words.js";

const SOLVERS = { bayes: "Bayesian matrix factorization (Gibbs sampling)", als: "alternating least squares", sgd: "stochastic gradient descent", implicit: "least squares on choices", article: "as in the article of 2018" };
const part = (title, ...content) => h("section", { class: "card chartcard" }, h("h2", {}, title), content);
const soft = (...told) => h("p", { class: "soft" }, told);

function sizes(facts, scale) {
  const { matrix, kept, share } = facts.numbers;
  const rows = [
    ["Users", count(facts.users)],
    ["Items", count(facts.items)],
    ["Ratings", facts.ratings === null ? "not kept" : count(facts.ratings)],
    ["Scale", scale.choices ? "none: chosen or not" : `${scale.say(scale.low)} to ${scale.say(scale.high)}`],
    ["Factors each", count(facts.factors)],
    ["Numbers kept", `${count(kept)}, ${percent(share, 1)} of the full table’s ${count(matrix)}`],
    ["File", bytes(facts.bytes)],
    ["Loaded", new Date(1000 * facts.loaded).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })],
  ];
  return h("dl", { class: "facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** The standard deviation of the ratings: the error of always saying their mean. */
function deviation({ edges, counts }) {
  const total = counts.reduce((sum, one) => sum + one, 0);
  const middle = counts.map((_, at) => (edges[at] + edges[at + 1]) / 2);
  const mean = counts.reduce((sum, one, at) => sum + one * middle[at], 0) / total;
  return Math.sqrt(counts.reduce((sum, one, at) => sum + one * (middle[at] - mean) ** 2, 0) / total);
}

function errors({ history, training, spread }, scale) {
  if (scale.choices) return null;
  const held = training.holdout;
  if (held) {
    const scores = held.scores ?? held;
    const rows = [{ name: "This model", value: scores.rmse, best: true }, ...Object.entries(held.baselines ?? {}).map(([name, one]) => ({ name, value: one.rmse ?? one }))];
    return part("Error", soft(`On ${held.ratings ? count(held.ratings) : "the"} ratings that the fit never saw: by how much predictions miss (RMSE), in points of the scale. Shorter is better.`), bars(rows, (one) => fixed(one, 3)));
  }
  const checked = history.map((one) => one.validation_rmse).filter((one) => one !== null && one !== undefined);
  if (!checked.length || !spread.ratings) return part("Error", soft("Not known: no ratings were held out when this model was fitted. ", h("code", {}, "palate fit --holdout 0.1"), " tells it."));
  const rows = [{ name: "This kind of model", value: Math.min(...checked), best: true }, { name: "Always the mean", value: deviation(spread.ratings) }];
  return part("Error", soft("By how much predictions miss (RMSE), in points of the scale; shorter is better. From validation ratings that steered the fit, so a little hopeful: ", h("code", {}, "palate fit --holdout 0.1"), " compares on ratings never seen."), bars(rows, (one) => fixed(one, 3)));
}

function learning({ history, training }) {
  const main = history.filter((one) => (one.stage ?? "fit") !== "pilot");
  const last = main.at(-1);
  if (main.length < 2) return part("Learning curve", soft("Too few steps were recorded to draw one."));
  const trials = history.filter((one) => one.stage === "pilot" && one.setting === last.setting);
  const validated = (rows) => rows.filter((one) => typeof one.validation_rmse === "number");
  const own = validated(main);
  const series = [
    { name: "on the ratings fitted", kind: "kind0", points: main.map((one) => [one.number, one.training_rmse]) },
    { name: own.length ? "on validation ratings" : "on validation ratings, in the trial fit", kind: "kind1", points: validated(own.length ? main : trials).map((one) => [one.number, one.validation_rmse]) },
  ].filter((one) => one.points.length > 1);
  const all = series.flatMap((one) => one.points);
  const rows = main.filter((_, at) => at % Math.ceil(main.length / 20) === 0 || at === main.length - 1).map((one) => [one.number, fixed(one.training_rmse, 3), typeof one.validation_rmse === "number" ? fixed(one.validation_rmse, 3) : "–"]);
  const ys = all.map(([, y]) => y);
  const label = `Learning curve: the error on the ratings fitted goes from ${fixed(main[0].training_rmse)} to ${fixed(last.training_rmse)} in ${main.length} steps.`;
  const options = { x: [1, Math.max(...all.map(([x]) => x))], y: [Math.min(...ys), Math.max(...ys)], labelX: "sweeps or epochs", labelY: "RMSE", label };
  const told = [training.parts && `parts: ${training.parts}`, training.rank && `rank ${training.rank}`, last.setting && `setting: ${last.setting}`].filter(Boolean);
  return part("Learning curve", soft("Error after each pass over the ratings. ", told.join("; ")), lines(series, options, ["Step", "Fitted", "Validation"], rows));
}

function calibration({ calibration: told }, scale) {
  if (!told) return part("Calibration", soft(scale.certain ? "No ratings were set aside to check the intervals on." : "This model does not tell how sure it is: fit with the solver bayes."));
  const { levels, plain, usual, width } = told;
  const worst = Math.max(...levels.map((one, at) => Math.abs(one - plain[at])));
  const series = [
    { name: "intervals as first computed", kind: "kind1", points: [[0, 0], ...levels.map((one, at) => [one, plain[at]]), [1, 1]] },
    { name: "as they should be, and as they are after correction", kind: "kind0 dashed", points: [[0, 0], [1, 1]] },
  ];
  const options = { x: [0, 1], y: [0, 1], sayX: (one) => percent(one), sayY: (one) => percent(one), labelX: "stated chance", labelY: "share held", label: `Calibration: intervals as first computed miss the stated chance by at most ${percent(worst, 1)}; widths are then corrected.` };
  const rows = levels.map((one, at) => [percent(one), percent(plain[at], 1), fixed(width[at] / usual[at])]);
  return part("Calibration", soft("Of ratings held out, how many fell into the interval that should hold them. The difference is then taken out by making intervals wider or narrower."), lines(series, options, ["Stated", "Held", "Width ×"], rows));
}

function data({ spread }) {
  const told = spread.ratings;
  if (!told?.counts.length) return null;
  const { edges, counts } = told;
  const pairs = counts.map((one, at) => [`${fixed(edges[at], 1)} to ${fixed(edges[at + 1], 1)}`, count(one)]);
  const brief = (one) => (one >= 1000 ? `${one / 1000}k` : String(one));
  const middle = (of) => count(Math.round(of[3] ?? 0));
  const label = `Histogram of ratings: most, ${count(Math.max(...counts))}, lie from ${pairs[counts.indexOf(Math.max(...counts))][0]}.`;
  return part("Ratings", soft(`Half of the users gave ${middle(spread.ratings_of_a_user)} ratings or more; half of the items got ${middle(spread.ratings_of_an_item)} or more.`), histogram(edges, counts, { sayY: brief, labelX: "rating", labelY: "how many", label }, ["Ratings", "How many"], pairs));
}

export async function model(route, signal) {
  const [facts, quality] = await Promise.all([get("model", {}, signal), get("model/quality", {}, signal)]);
  const scale = new Scale(facts);
  const { training } = quality;
  const notes = [...(training.choices ?? []), ...(training.warnings ?? []), ...(training.notes ?? [])];
  return h(
    "div",
    { class: "about" },
    h("h1", { tabindex: -1 }, "The model"),
    h("p", { class: "lead" }, `${SOLVERS[facts.solver.name] ?? facts.solver.name}, ${facts.ratings === null ? "" : `learned from ${many(facts.ratings, "rating")}`}.`),
    facts.refused ? h("p", { class: "card warning" }, h("strong", {}, "A newer model file was refused: "), facts.refused) : null,
    sizes(facts, scale),
    h("div", { class: "grid2" }, errors(quality, scale), learning(quality), calibration(quality, scale), data(quality)),
    notes.length ? h("section", {}, h("h2", {}, "Notes of the fit"), h("ul", { class: "notes" }, notes.map((one) => h("li", {}, one)))) : null,
  );
}
