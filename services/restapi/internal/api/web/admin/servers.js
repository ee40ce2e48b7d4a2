// Media servers: their states, their load as live charts, and draining them.

const shownServers = 30; // at first, and more at each press
const silentAfter = 10; // s without a heartbeat

const statuses = { up: ["good", "good", "Up"], suspect: ["warn", "warn", "Suspect"], down: ["bad", "bad", "Down"] };
const availabilities = {
  active: ["good", "run", "Takes sessions"],
  draining: ["warn", "leave", "Draining"],
  drained: ["dim", "empty", "Drained"],
};

const figures = [
  { id: "cpu", label: "CPU", text: cores, unit: 0.1, lines: [(s) => s.cpu] },
  { id: "memory", label: "Memory", text: mebibytes, unit: 2 ** 20, lines: [(s) => s.memoryBytes] },
  {
    id: "bitrate",
    label: "Media in and out",
    names: ["In", "Out"],
    text: bits,
    unit: 1e5,
    lines: [(s) => s.bitrateIn, (s) => s.bitrateOut],
  },
  { id: "sessions", label: "Sessions", text: (n) => n.toLocaleString(), unit: 10, lines: [(s) => s.sessions] },
];

const isSilent = (s) => api.now() - Date.parse(s.heartbeatAt) > silentAfter * 1000;
const needsAttention = (s) =>
  s.status !== "up" || isSilent(s) || s.membership?.state === "refused" || Boolean(s.drain?.waiting);

// choices are which servers to show.
const choices = [
  ["All", () => true],
  ["Needing attention", needsAttention],
  ["Draining or drained", (s) => s.availability !== "active"],
];

// drainWords tell how far a drain is.
const drainWords = ({ availability, drain }, over) => {
  if (availability === "drained") {
    return [
      "Empty: it has no session and is given none. ",
      el("small", { textContent: `Drained by ${drain.by || "an operator"}.` }),
    ];
  }
  const wait = drain.then === "wait";
  const next = over
    ? [wait ? ", the deadline is over: waiting for them to end. " : ", being moved to other servers. "]
    : [", deadline ", countdown(drain.deadline), wait ? ", then waited for. " : ", then moved to other servers. "];
  return [
    el("strong", { textContent: `${count(drain.remaining, "session")} left` }),
    ...next,
    el("small", { textContent: `Since ${moment(drain.since)}${drain.by ? `, by ${drain.by}` : ""}.` }),
  ];
};

// drainStrip is how far the drain of a server is, and what is in its way.
const drainStrip = () => {
  const text = el("p"),
    obstacle = notice(),
    bar = el("progress", { max: 1, ariaLabel: "Time of the drain that is over" });
  const root = el("div", { className: "drain", hidden: true, data: { testid: "drain" } }, text, bar, obstacle.root);
  let shown = "";
  return {
    root,
    update(server) {
      const { availability, drain } = server;
      root.hidden = !drain;
      if (!drain) return;
      const start = Date.parse(drain.since),
        end = Date.parse(drain.deadline);
      bar.value = Math.min(1, (api.now() - start) / (end - start)) || 0;
      bar.hidden = availability === "drained";
      obstacle.say(drain.waiting ?? "");
      const key = JSON.stringify([drain, availability, api.now() > end]);
      if (key !== shown) text.replaceChildren(...drainWords(server, api.now() > end));
      shown = key;
    },
  };
};

const askToDrain = (server) => {
  const others = servers.known.filter((s) => s.id !== server.id && s.status === "up" && s.availability === "active");
  const timeout = duration(
    "Time for the sessions to end by themselves",
    server.drain ? 15 : 60,
    "m",
    "0 means at once.",
  );
  const warning = others.length
    ? null
    : el("p", {
        className: "notice",
        textContent: "No other server takes sessions: new ones will be refused, and those here cannot be moved.",
      });
  const dialog = ask({
    title: server.drain ? `Change the drain of ${server.id}` : `Drain ${server.id}`,
    confirm: server.drain ? "Change it" : "Drain it",
    body: [
      el("p", {
        textContent:
          `It has ${count(server.sessions, "session")}. They go on and can still be joined; no new` +
          " session is placed on it.",
      }),
      warning,
      timeout.root,
      el(
        "fieldset",
        {},
        el("legend", { textContent: "Sessions that are left at the deadline" }),
        choice(
          "then",
          "relocate",
          "Move them to other servers",
          "Clients connect there before the old media ends.",
          server.drain?.then !== "wait",
        ),
        choice("then", "wait", "Wait until they end", "However long that takes.", server.drain?.then === "wait"),
      ),
    ],
    async act(once) {
      const then = dialog.querySelector("input[name=then]:checked").value;
      const path = `/v1/admin/servers/${encodeURIComponent(server.id)}/drain`;
      await api.call("POST", path, { timeout: timeout.value, then }, once);
      return `${server.id} is being drained.`;
    },
  });
};

// serverRow is one server.
const serverRow = (first) => {
  const id = first.id,
    path = `/v1/admin/servers/${encodeURIComponent(id)}`;
  const pills = el("p", { className: "pills" }),
    facts = el("p", { className: "facts" });
  const charts = figures.map((figure) => chart(figure));
  const drain = el("button", { type: "button", data: { testid: "drain-button" } });
  const undo = el("button", { type: "button", textContent: "Undo drain", data: { testid: "undrain-button" } });
  const strip = drainStrip();
  const root = el(
    "article",
    { className: "server card", data: { testid: "server", server: id } },
    el("div", { className: "who" }, el("h3", { textContent: id }), pills, facts),
    el("div", { className: "charts" }, ...charts.map((c) => c.root)),
    el(
      "div",
      { className: "actions" },
      drain,
      undo,
      el("a", { href: link("sessions", { server: id }), textContent: "Sessions" }),
      el("a", { href: link("audit", { object: `server:${id}` }), textContent: "Audit" }),
    ),
    strip.root,
  );
  let current = first,
    shown = "";
  drain.addEventListener("click", () => askToDrain(current));
  onPress(undo, async () => {
    await api.call("DELETE", `${path}/drain`);
    return `${id} takes sessions again.`;
  });

  const tell = (s) => {
    const list = [named(statuses, s.status)];
    if (s.status === "up" || s.availability !== "active") list.push(named(availabilities, s.availability));
    if (s.membership) {
      list.push(
        s.membership.state === "admitted"
          ? ["good", "key", "Member"]
          : ["bad", "key", `Refused: ${s.membership.reason || "no reason given"}`],
      );
    }
    if (isSilent(s) && s.status !== "down") list.push(["warn", "warn", "Silent"]);
    const text = JSON.stringify(list);
    if (text !== shown) pills.replaceChildren(...list.map((p) => pill(...p)));
    shown = text;
    const carries =
      s.status === "down"
        ? []
        : [
            s.capacity
              ? `${s.load.pipelines} of ${count(s.capacity, "pipeline")}`
              : count(s.load.pipelines, "pipeline"),
            count(s.load.endpoints, "endpoint"),
          ];
    put(
      facts,
      [
        s.version || "no version",
        s.region && `region ${s.region}`,
        ...carries,
        `heard of ${since(s.heartbeatAt)}`,
        s.membership?.expiresAt && `token until ${moment(s.membership.expiresAt)}`,
      ]
        .filter(Boolean)
        .join(" · "),
    );
    put(drain, s.availability === "active" ? "Drain…" : "Change…");
    drain.hidden = s.availability === "drained" || s.status === "down"; // nothing to empty
    undo.hidden = s.availability === "active";
  };

  return {
    root,
    update(server) {
      current = server;
      root.dataset.availability = server.availability;
      tell(server);
      strip.update(server);
      const { samples } = servers.histories.get(id);
      figures.forEach((figure, i) => charts[i].draw(samples, servers.frames[figure.id]));
    },
  };
};

const servers = {
  id: "servers",
  title: "Media servers",
  always: true, // the charts go on while another view is shown
  known: [],
  histories: new Map(),
  frames: {}, // of the charts, by figure
  first: 0, // when the first look was
  at: 0, // and the last
  most: shownServers,

  build(root) {
    this.search = el("input", { type: "search", placeholder: "Name, version or region", ariaLabel: "Find servers" });
    this.which = el(
      "select",
      { ariaLabel: "Which servers" },
      ...choices.map(([text]) => el("option", { textContent: text })),
    );
    this.said = el("span", { className: "dim" });
    this.list = el("div", { className: "servers" });
    this.none = el("p", { className: "empty", hidden: true });
    this.more = el("button", { type: "button", hidden: true });
    this.more.addEventListener("click", () => {
      this.most += shownServers;
      this.draw();
    });
    for (const input of [this.search, this.which]) input.addEventListener("input", () => this.draw());
    this.fill = keyed(this.list, (s) => s.id, serverRow);
    root.append(el("div", { className: "tools" }, this.search, this.which, this.said), this.list, this.none, this.more);
  },

  async look() {
    this.known = await api.all("/v1/admin/servers", 1000);
    this.at = api.now();
    this.first ||= this.at;
    const there = new Set(this.known.map((s) => s.id));
    for (const id of this.histories.keys()) if (!there.has(id)) this.histories.delete(id);
    for (const s of this.known) {
      if (!this.histories.has(s.id)) this.histories.set(s.id, new History());
      if (s.status !== "down") this.histories.get(s.id).add({ at: this.at, ...s.load, sessions: s.sessions });
    }
    glance.draw(this.known);
  },

  draw() {
    const text = this.search.value.trim().toLowerCase();
    const [, chosen] = choices[this.which.selectedIndex];
    const found = this.known.filter(
      (s) => chosen(s) && `${s.id} ${s.version} ${s.region}`.toLowerCase().includes(text),
    );
    const time = Math.min(mostTime, Math.max(leastTime, this.at - this.first));
    for (const { id, lines, unit } of figures) {
      const most = Math.max(0, ...lines.flatMap((pick) => found.map((s) => this.histories.get(s.id).most(pick))));
      this.frames[id] = { now: this.at, time, scale: scaleFor(most, unit) };
    }
    this.fill(found.slice(0, this.most));
    put(
      this.said,
      `${found.length} of ${count(this.known.length, "server")} · the last ${seconds(time / 1000)}, one scale for all`,
    );
    this.none.hidden = found.length > 0;
    put(this.none, this.known.length ? "No server is like that." : "No media server has registered yet.");
    this.more.hidden = found.length <= this.most;
    put(this.more, `Show more of ${count(found.length, "server")}`);
  },
};
