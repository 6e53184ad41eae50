// Questions to the service, and what may go wrong with them.

const PATIENCE = 15_000;

/** Something that was asked for did not come. `again`: asking later may help. */
export class Failure extends Error {
  constructor(status, title, detail, wait = 0) {
    super(detail);
    Object.assign(this, { status, title, wait, again: status === 0 || status === 429 || status >= 500 });
  }
}

async function send(method, path, body, signal) {
  const late = AbortSignal.timeout(PATIENCE);
  const options = { method, headers: { Accept: "application/json" }, signal: signal ? AbortSignal.any([signal, late]) : late };
  if (method !== "GET") options.headers["X-Palate"] = "1";
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(`/v1/${path}`, options);
    if (answer.ok) return answer.status === 204 ? null : await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    const slow = late.aborted;
    throw new Failure(0, slow ? "The server takes too long" : "The server cannot be reached", slow ? "No answer came in time." : "It may be starting anew, or the network may be gone.");
  }
  const told = await answer.json().catch(() => ({}));
  const wait = Number(answer.headers.get("Retry-After")) || 0;
  throw new Failure(answer.status, told.title ?? `Answer ${answer.status}`, told.detail ?? answer.statusText, wait);
}

export function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) if (one !== undefined && one !== null) query.append(name, one);
  }
  return send("GET", query.size ? `${path}?${query}` : path, undefined, signal);
}

/** Like get, but null where the service says that there is no such thing, or that this model cannot tell. */
export const getIfAny = (path, parameters, signal) =>
  get(path, parameters, signal).catch((error) => {
    if (error.status === 404 || error.status === 422) return null;
    throw error;
  });

// Changes go one after another: the first one brings the cookie that the others need.
let last = Promise.resolve();
function change(method, path, body) {
  last = last.catch(() => {}).then(() => send(method, path, body));
  return last;
}

const mine = (id) => `me/ratings/${encodeURIComponent(String(id))}`;
export const rate = (id, rating) => change("PUT", mine(id), { rating });
export const withdraw = (id) => change("DELETE", mine(id));
export const forget = () => change("DELETE", "me/ratings");
export const ownRating = (id, signal) => getIfAny(mine(id), {}, signal);
