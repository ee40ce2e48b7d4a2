// HTTP calls of one user: authorised, retried with backoff while that can help, and failing with the API's problem.

/** A call that the API refused: an RFC 9457 problem document with its stable `code`. */
export class ApiError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.code = problem.code ?? 'internal';
    this.retryAfter = retryAfter; // milliseconds; undefined: trying again is no use unless the status says so
  }
}

const callTimeout = 20_000; // ms; longer than any wait that the API offers except polls, which set their own
const retryStatus = new Set([429, 502, 503, 504]);

/** Waits; rejects as soon as signal aborts. */
export function delay(ms, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** How long to wait before try number n (0, 1, ...): exponential with full jitter, so that clients spread out. */
export function backoff(n, { min = 250, max = 8_000 } = {}) {
  return min + Math.random() * Math.max(0, Math.min(max, min * 2 ** n) - min / 2);
}

// randomUUID is for secure contexts only; this also works on http:// in a local network.
const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

async function toError(response) {
  const problem = await response.json().catch(() => ({}));
  const header = response.headers.get('Retry-After');
  return new ApiError(response.status, problem, header === null ? undefined : Number(header) * 1000 || 0);
}

export class Api {
  /**
   * token and renew: renew() brings another token after a 401, or throws.
   * retry: { min, max } of the backoff in ms.
   */
  constructor({ url = '', session, user, token, renew, retry }) {
    this.session = `${url.replace(/\/$/, '')}/v1/sessions/${encodeURIComponent(session)}`;
    this.user = `${this.session}/users/${encodeURIComponent(user)}`;
    this.token = token;
    this.renew = renew;
    this.retry = retry;
  }

  /**
   * One call, and again while it fails for a reason that passes: no network, 429, 502, 503, 504. Every call here may be
   * repeated safely: POSTs carry an Idempotency-Key. attempts bounds the tries. Resolves to the body, null without one.
   */
  async call(method, url, { attempts = 8, signal, headers, ...request } = {}) {
    const once = method === 'POST' ? { 'Idempotency-Key': randomKey() } : {};
    for (let n = 0; ; n++) {
      try {
        return await this.#authorised(method, url, { ...request, signal, headers: { ...once, ...headers } });
      } catch (err) {
        signal?.throwIfAborted();
        const passes = !(err instanceof ApiError) || retryStatus.has(err.status) || err.retryAfter !== undefined;
        if (!passes || n + 1 >= attempts) throw err;
        await delay(Math.max(backoff(n, this.retry), err.retryAfter ?? 0), signal);
      }
    }
  }

  async #authorised(method, url, request) {
    const used = this.token;
    try {
      return await this.once(method, url, request);
    } catch (err) {
      if (err.status !== 401 || !this.renew) throw err;
      if (this.token === used) this.token = await this.renew();
      return this.once(method, url, request);
    }
  }

  /** One try. */
  async once(method, url, { body, headers, signal, keepalive, timeout = callTimeout } = {}) {
    const response = await fetch(url, {
      method,
      keepalive,
      cache: 'no-store',
      signal: AbortSignal.any([AbortSignal.timeout(timeout), ...(signal ? [signal] : [])]),
      headers: {
        Authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw await toError(response);
    const text = await response.text();
    return text === '' ? null : JSON.parse(text);
  }
}
