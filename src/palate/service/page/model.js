// The model: how large, how good, how it was fitted, and whether its intervals keep their word.
import { get } from "./api.js";
import { facts } from "./facts.js";
import { bars, histogram, lines } from "./charts.js";
import { h, heading } from "./dom.js";
import { Scale } from "./scale.js";
import { bytes, capital, count, fixed, many, named, percent } from "./words.js";

const SOLVERS = { bayes: "Bayesian matrix factorization", als: "Alternating least squares", sgd: "Stochastic gradient descent", implicit: "Least squares on choices", ease: "Weights between items, from choices alone", article: "The article of 2018" };
const HOLDOUT = h("code", "palate fit --holdout 0.1");

const part = (title, about, ...content) => h("section.card", h("h2", title), h("p.soft", about), content);
const sum = (values) => values.reduce((total, one) => total + one, 0);
const isKnown = (value) => typeof value === "number";

function sizes(about, scale) {
  const { matrix, kept, share } = about.numbers;
  const rows = {
    Users: count(about.users),
    [capital(named.many)]: count(about.items),
    Ratings: isKnown(about.ratings) ? count(about.ratings) : "not kept",
    Scale: scale.choices ? "chosen or not" : `${scale.say(scale.low)} to ${scale.say(scale.high)}`,
    "Factors each": count(about.factors),
    "Numbers kept": `${count(kept)}: ${percent(share, 1)} of ${count(matrix)}`,
    File: bytes(about.bytes),
    Loaded: new Date(1000 * about.loaded).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }),
  };
  return h("dl.facts", Object.entries(rows).map(([name, value]) => h("div", h("dt", name), h("dd", value))));
}

/** The standard deviation of the ratings: the error of always saying their mean. */
function deviation({ edges, counts }) {
  const middles = counts.map((_, at) => (edges[at] + edges[at + 1]) / 2);
  const mean = sum(counts.map((one, at) => one * middles[at])) / sum(counts);
  return Math.sqrt(sum(counts.map((one, at) => one * (middles[at] - mean) ** 2)) / sum(counts));
}

function errors({ history, training, spread }) {
  const say = (value) => fixed(value, 3);
  const about = "By how much predictions miss (RMSE), in points of the scale: shorter is better. ";
  const held = training.holdout;
  if (held) {
    const others = Object.entries(held.baselines ?? {}).map(([name, one]) => [name, one.rmse ?? one]).filter(([, value]) => isKnown(value)); // some baselines only rank
    return part("Error", [about, `On ${held.ratings ? count(held.ratings) : "the"} ratings that the fit never saw.`], bars([["this model", (held.scores ?? held).rmse], ...others], say));
  }
  const checked = history.map((one) => one.validation_rmse).filter(isKnown);
  if (!checked.length || !spread.ratings) return part("Error", ["Not known, as no ratings were held out: ", HOLDOUT, " does."]);
  return part("Error", [about, "On validation ratings, which steered the fit: a little hopeful. ", HOLDOUT, " compares on ratings never seen."], bars([["this kind of model", Math.min(...checked)], ["always the mean", deviation(spread.ratings)]], say));
}

function learning({ history }) {
  const main = history.filter((one) => one.stage !== "pilot");
  if (main.length < 2) return part("Learning curve", "Too few steps were recorded to draw one.");
  const last = main.at(-1);
  const trial = history.filter((one) => one.stage === "pilot" && one.setting === last.setting);
  const hasOwn = main.some((one) => isKnown(one.validation_rmse));
  const points = (rows, what) => rows.filter((one) => isKnown(one[what])).map((one) => [one.number, one[what]]);
  const series = [
    { name: "on the ratings fitted", kind: "other", points: points(main, "training_rmse") },
    { name: `on validation ratings${hasOwn ? "" : ", in a trial fit"}`, kind: "ours", points: points(hasOwn ? main : trial, "validation_rmse") },
  ].filter((one) => one.points.length > 1);
  // The first passes fall so steeply that nothing else could be seen beside them.
  const skipped = Math.floor(main.length / 20);
  for (const one of series) one.points = one.points.filter(([pass]) => pass > skipped);
  const [xs, ys] = [0, 1].map((at) => series.flatMap((one) => one.points.map((point) => point[at])));
  const every = Math.ceil(main.length / 20);
  const rows = main.filter((_, at) => at % every === 0 || at === main.length - 1).map((one) => [one.number, fixed(one.training_rmse, 3), isKnown(one.validation_rmse) ? fixed(one.validation_rmse, 3) : "–"]);
  const label = `The error on the ratings fitted goes from ${fixed(main[0].training_rmse)} to ${fixed(last.training_rmse)} in ${main.length} steps.`;
  return part("Learning curve", `Error after each pass over the ratings${skipped ? `, from pass ${skipped + 1} on` : ""}.`, lines(series, { x: [skipped + 1, Math.max(...xs)], y: [Math.min(...ys), Math.max(...ys)], labelX: "passes", labelY: "RMSE", label }, ["Pass", "Fitted", "Validation"], rows));
}

function calibration({ calibration: told }, scale) {
  if (!told) return part("Calibration", scale.certain ? "No ratings were set aside to check the intervals on." : "This model does not tell how sure it is; the solver ‘bayes’ does.");
  const { levels, plain, usual, width } = told;
  const worst = Math.max(...levels.map((one, at) => Math.abs(one - plain[at])));
  const series = [
    { name: "as first computed", kind: "ours", points: [[0, 0], ...levels.map((one, at) => [one, plain[at]]), [1, 1]] },
    { name: "as it should be, and is after correction", kind: "other.dashed", points: [[0, 0], [1, 1]] },
  ];
  const label = `Intervals as first computed miss the stated chance by at most ${percent(worst, 1)}; this is then corrected.`;
  const rows = levels.map((one, at) => [percent(one), percent(plain[at], 1), fixed(width[at] / usual[at])]);
  return part("Calibration", "How many held-out ratings fell into the interval that should hold them. Intervals are then made wider or narrower by what is missing.", lines(series, { x: [0, 1], y: [0, 1], say: (one) => percent(one), labelX: "stated chance", labelY: "share held", label }, ["Stated", "Held", "Width ×"], rows));
}

function data({ spread }, scale) {
  if (!spread.ratings?.counts.length) return null;
  const { edges, counts } = spread.ratings;
  const names = scale.values.length ? scale.values.map((one) => scale.say(one)) : null;
  const rows = counts.map((one, at) => [names?.[at] ?? `${fixed(edges[at], 1)} to ${fixed(edges[at + 1], 1)}`, count(one)]);
  const middle = (of) => count(Math.round(of[3] ?? 0));
  const label = `Histogram; the most frequent: ${rows[counts.indexOf(Math.max(...counts))][0]}.`;
  return part("Ratings", `Half of the users gave ${middle(spread.ratings_of_a_user)} or more; half of the ${named.many} got ${middle(spread.ratings_of_an_item)} or more.`, histogram(edges, counts, { labelX: "rating", labelY: "how many", label, names }, ["Ratings", "How many"], rows));
}

export async function model(route, signal) {
  const [about, quality] = await Promise.all([facts(signal), get("model/quality", signal)]);
  const scale = new Scale(about);
  const { choices = [], warnings = [], notes = [] } = quality.training;
  return h("div",
    heading("The model"),
    h("p.lead", SOLVERS[about.solver.name] ?? about.solver.name, isKnown(about.ratings) && `, learned from ${many(about.ratings, "rating")}`, "."),
    about.refused && h("p.card.danger", h("strong", "The model file cannot be used: "), about.refused),
    sizes(about, scale),
    !scale.choices && errors(quality),
    h("div.charts", learning(quality), calibration(quality, scale), data(quality, scale)),
    h("h2", "Notes of the fit"),
    h("ul.notes", [...choices, ...warnings, ...notes].map((one) => h("li", one))),
    h("p.soft", "All that this page knows, programs can ask too: the API is described in ", h("a", { href: "docs" }, "its reference"), "."));
}
