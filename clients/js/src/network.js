// When the page's way into the network is another one: back from being offline, or from Wi-Fi to mobile data.

const settleTime = 300; // ms: a change comes as several events

/** Calls onChange once after each change; returns a function that ends it. */
export function watchNetwork(onChange) {
  const { connection } = globalThis.navigator ?? {};
  let type = connection?.type;
  let timer;
  const settle = () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, settleTime);
  };
  const changed = () => {
    const before = type;
    type = connection.type;
    if (type !== before && type !== 'none') settle(); // estimates of speed change, too, and mean nothing here
  };
  globalThis.addEventListener?.('online', settle);
  connection?.addEventListener?.('change', changed);
  return () => {
    clearTimeout(timer);
    globalThis.removeEventListener?.('online', settle);
    connection?.removeEventListener?.('change', changed);
  };
}
