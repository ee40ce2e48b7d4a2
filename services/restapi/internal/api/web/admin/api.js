// The API, as this page calls it.

const callTimeout = 8000; // ms; the API gives up on a request after 5 s
const storedKey = "orkestro-key"; // in the storage of this tab, which ends with it

// Problem is why a call failed: what the API's problem document says, or that there was no answer (status 0).
class Problem extends Error {
  constructor(text, { status = 0, code = "", retryAfter = 0 } = {}) {
    super(text);
    Object.assign(this, { status, code, retryAfter });
  }

  // refused: the key is no good. away: nothing is wrong with the call, it may work in a moment.
  get refused() {
    return this.status === 401 || this.status === 403;
  }
  get away() {
    return this.status === 0 || this.status === 429 || (this.status >= 500 && this.status !== 501);
  }
}

const api = {
  key: sessionStorage.getItem(storedKey) ?? "",
  skew: 0, // ms that the API's clock is ahead of this one

  now() {
    return Date.now() + this.skew;
  },

  use(key) {
    this.key = key;
    if (key) sessionStorage.setItem(storedKey, key);
    else sessionStorage.removeItem(storedKey);
  },

  // once gives a POST that may be sent again after its answer was lost: it is done once.
  once() {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
  },

  async call(method, path, body, once) {
    const headers = { Authorization: `Bearer ${this.key}` };
    if (body) headers["Content-Type"] = "application/json";
    if (once) headers["Idempotency-Key"] = once;
    let response;
    try {
      response = await fetch(path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        signal: AbortSignal.timeout(callTimeout),
        cache: "no-store",
      });
    } catch (err) {
      throw new Problem(err.name === "TimeoutError" ? "The API did not answer in time." : "The API does not answer.");
    }
    if (!response.ok) throw await this.problem(response);
    const date = Date.parse(response.headers.get("Date"));
    if (Math.abs(date + 500 - this.now()) > 2000) this.skew = date + 500 - Date.now(); // the header has whole seconds
    return response.json().catch(() => null); // 202 and 204 have no body
  },

  async problem(response) {
    const document = await response.json().catch(() => ({}));
    const text = document.detail || document.title || `The API answers ${response.status}.`;
    return new Problem(text, {
      status: response.status,
      code: document.code,
      retryAfter: Number(response.headers.get("Retry-After")) || 0,
    });
  },

  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value);
    return this.call("GET", given.length ? `${path}?${new URLSearchParams(given)}` : path);
  },

  // all reads a list to its end, but no more than limit items of it.
  async all(path, limit) {
    const items = [];
    for (let cursor = ""; items.length < limit; ) {
      const page = await this.get(path, { limit: 200, cursor });
      items.push(...page.items);
      cursor = page.next;
      if (!cursor) break;
    }
    return items;
  },
};
