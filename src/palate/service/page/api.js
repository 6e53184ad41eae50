// Questions to the service, and what may go wrong with them.

const PATIENCE = 15_000;

/** What was asked for did not come. `again`: asking later may help. */
export class Failure extends Error {
  constructor(status, title, detail, wait = 0) {
    super(detail);
    Object.assign(this, { status, title, wait, again: !status || status === 429 || status >= 500 });
  }
}

async function send(method, path, body, signal) {
  const late = AbortSignal.timeout(PATIENCE);
  const headers = method === "GET" ? {} : { "X-Palate": "1", "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(`/v1/${path}`, { method, headers, body, signal: signal ? AbortSignal.any([signal, late]) : late });
    if (answer.ok) return answer.status === 204 ? null : await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (late.aborted) throw new Failure(0, "The server takes too long", "No answer came in time.");
    throw new Failure(0, "The server cannot be reached", "It may be starting anew, or the network may be gone.");
  }
  const told = await answer.json().catch(() => ({}));
  throw new Failure(answer.status, told.title ?? `Answer ${answer.status}`, told.detail ?? "", Number(answer.headers.get("Retry-After")) || 0);
}

export function get(path, signal, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) for (const one of [value].flat()) if (one != null) query.append(name, one);
  return send("GET", query.size ? `${path}?${query}` : path, undefined, signal);
}

// Changes go one after another: the first one brings the cookie that the others need.
let last = Promise.resolve();
function change(method, path, body) {
  last = last.catch(() => {}).then(() => send(method, path, body && JSON.stringify(body)));
  return last;
}

const mine = (id) => `me/ratings/${encodeURIComponent(String(id))}`;
export const rate = (id, rating) => change("PUT", mine(id), { rating });
export const withdraw = (id) => change("DELETE", mine(id));
export const forget = () => change("DELETE", "me/ratings");
