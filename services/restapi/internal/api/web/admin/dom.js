// Elements. Whatever comes from the API becomes text, never markup.

const el = (name, props = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (key === "data") Object.assign(node.dataset, value);
    else if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

const svg = (name, attributes, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

const byId = (id) => document.getElementById(id);

// put changes the text of a node, and only if it is another: what is selected stays selected.
const put = (node, text) => {
  if (node.textContent !== String(text)) node.textContent = text;
};

// Each on a field of 16 by 16. A state is told by icon and word; the colour only helps.
const icons = {
  good: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M5 8.2l2.1 2.1L11 6",
  warn: "M8 2L15 14H1zM8 6.5v3.5M8 12v.2",
  bad: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M5.7 5.7l4.6 4.6M10.3 5.7l-4.6 4.6",
  leave: "M6.5 2H2.5v12h4M6 8h8M11 4.8L14.2 8L11 11.2",
  empty: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13",
  pause: "M5.5 3v10M10.5 3v10",
  run: "M4.5 2.5v11l9-5.5z",
  stop: "M3.5 3.5h9v9h-9z",
  move: "M2 5.5h10M9.3 2.7L12 5.5L9.3 8.3M14 10.5H4M6.7 7.7L4 10.5l2.7 2.8",
  key: "M8 1.5l5.5 2v4c0 3.5-2.3 5.9-5.5 7c-3.2-1.1-5.5-3.5-5.5-7v-4zM5.5 8l1.8 1.8L10.8 6.2",
};

const icon = (name) =>
  svg("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, svg("path", { d: icons[name] }));

// pill is a state: tone is good, warn, bad, accent or dim.
const pill = (tone, sign, text) => el("span", { className: "pill", data: { tone } }, icon(sign), text);

// named is what a table of states has for one; a newer release may know more of them.
const named = (states, name) => states[name] ?? ["dim", "empty", name || "unknown"];

// keyed keeps one part of the page for each item: make(item) gives {root, update(item)}, and gone() if it has to. Parts
// stay the same nodes while they are there, so that no button is replaced under the finger.
const keyed = (box, keyOf, make) => {
  const parts = new Map();
  return (items) => {
    const wanted = new Set(items.map(keyOf));
    for (const [key, part] of parts) {
      if (wanted.has(key)) continue;
      part.root.remove();
      parts.delete(key);
    }
    items.forEach((item, i) => {
      const key = keyOf(item);
      if (!parts.has(key)) parts.set(key, make(item));
      const part = parts.get(key);
      part.update(item);
      if (box.children[i] !== part.root) box.insertBefore(part.root, box.children[i] ?? null);
    });
  };
};

// The parts of a table say what they are themselves: on a narrow screen they are laid out as cards, and browsers would
// forget it. A cell is a text, {text, ...properties of an element}, {pill: [tone, sign, text]} or a list of these.
const cellNode = (value) => {
  if (value === null || typeof value !== "object") return el("span", { textContent: value ?? "" });
  if (value.pill) return pill(...value.pill);
  const { text, name = value.href ? "a" : value.onclick ? "button" : "span", ...props } = value;
  return el(name, { ...props, textContent: text });
};

const table = (label, columns, keyOf, rowId) => {
  const body = el("tbody", { role: "rowgroup" });
  const heads = columns.map(({ head, kind = "" }) =>
    el("th", { role: "columnheader", scope: "col", className: kind, textContent: head }),
  );
  const row = () => {
    const cells = columns.map(({ head, kind = "" }) => el("td", { role: "cell", className: kind, data: { head } }));
    const shown = [];
    const root = el("tr", { role: "row", data: { testid: rowId } }, ...cells);
    return {
      root,
      update(item) {
        root.dataset.key = keyOf(item);
        columns.forEach((column, i) => {
          const values = [column.cell(item)].flat();
          const text = JSON.stringify(values);
          if (shown[i] === text) return;
          shown[i] = text;
          cells[i].replaceChildren(...values.filter((value) => value !== "").map(cellNode));
        });
      },
    };
  };
  const root = el(
    "div",
    { className: "table card" },
    el(
      "table",
      { role: "table", ariaLabel: label },
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads)),
      body,
    ),
  );
  return { root, fill: keyed(body, keyOf, row) };
};

// notice is a place for one sentence, read out when it comes.
const notice = () => {
  const root = el("p", { className: "notice", role: "alert", hidden: true });
  return {
    root,
    say(text) {
      put(root, text);
      root.hidden = text === "";
    },
  };
};

// Words for figures.

const seconds = (s) =>
  s < 120
    ? `${Math.round(s)} s`
    : s < 7200
      ? `${Math.round(s / 60)} min`
      : s < 172800
        ? `${Math.round(s / 3600)} h`
        : `${Math.round(s / 86400)} days`;
const since = (time) => (time ? `${seconds(Math.max(0, (api.now() - Date.parse(time)) / 1000))} ago` : "–");
const clock = (ms) => new Date(ms).toLocaleTimeString(undefined, { hourCycle: "h23" });
const moment = (time) =>
  time
    ? new Date(time).toLocaleString(undefined, {
        month: "short",
        day: "numeric",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
        hourCycle: "h23",
      })
    : "–";
const count = (n, one, many = one + "s") => `${n.toLocaleString()} ${n === 1 ? one : many}`;
const cores = (n) => `${n.toFixed(n < 10 ? 2 : 1)} cores`;
const mebibytes = (n) => (n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(2)} GiB` : `${Math.round(n / 2 ** 20)} MiB`);
// bits is one figure or several in the unit of the largest.
const bits = (...all) => {
  const most = Math.max(...all);
  const [unit, size, digits] = most >= 1e9 ? ["Gbit/s", 1e9, 2] : most >= 1e6 ? ["Mbit/s", 1e6, 1] : ["kbit/s", 1e3, 0];
  return `${all.map((n) => (n / size).toFixed(digits)).join(" / ")} ${unit}`;
};
const left = (time) => {
  const s = Math.ceil((Date.parse(time) - api.now()) / 1000);
  if (!(s > 0)) return "now";
  const two = (n) => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600),
    m = Math.floor(s / 60) % 60;
  return h ? `in ${h}:${two(m)}:${two(s % 60)}` : `in ${m}:${two(s % 60)}`;
};

// countdown is a text that counts down to a time, by the tick of page.js.
const countdown = (time) => el("time", { className: "countdown", dateTime: time, textContent: left(time) });
const tick = () => {
  for (const node of document.querySelectorAll("time.countdown")) put(node, left(node.dateTime));
};
