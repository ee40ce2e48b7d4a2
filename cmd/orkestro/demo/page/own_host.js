// A browser keeps six connections to one host (HTTP/1.1), and every waiting poll holds one: the seventh tab of a browser
// would stand still. All names below localhost lead to this machine (RFC 6761) and count as hosts of their own.

const probeTime = 1_000; // ms

/** A base URL of the API that this tab has for itself, where the browser and the API allow that; else base. */
export async function ownHost(base) {
  const url = new URL(base || location.origin);
  if (url.protocol !== 'http:' || !['127.0.0.1', 'localhost'].includes(url.hostname)) return base;
  url.hostname = `tab-${Math.random().toString(36).slice(2)}.localhost`;
  try {
    const { ok } = await fetch(`${url.origin}/healthz`, { signal: AbortSignal.timeout(probeTime) });
    return ok ? url.origin : base;
  } catch {
    return base; // no such names here, or the API answers its own origin only
  }
}
