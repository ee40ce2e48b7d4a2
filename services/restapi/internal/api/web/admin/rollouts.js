// Rollouts: replacing the media servers of other versions, a share at a time.

const rolloutStates = {
  running: ["accent", "run", "Running"],
  paused: ["warn", "pause", "Paused"],
  stopped: ["bad", "warn", "Stopped itself"],
  aborted: ["dim", "stop", "Aborted"],
  done: ["good", "good", "Done"],
};
const shareStates = {
  draining: ["warn", "leave", "Draining"],
  drained: ["dim", "empty", "Drained"],
  replaced: ["good", "good", "Replaced"],
};
const phases = [
  ["draining", "Drain"],
  ["relocating", "Relocate"],
  ["replacing", "Replace"],
];
const isLive = (rollout) => ["running", "paused", "stopped"].includes(rollout?.state);
const briefly = (text) => text.replace(/(\d+h|\d+m)0s$/, "$1").replace(/(\d+h)0m$/, "$1"); // Go's 1h0m0s

const askToRollOut = () => {
  const known = [...new Set(servers.known.map((s) => s.version))].sort();
  const to = el("input", { required: true, maxLength: 128, autocomplete: "off", data: { testid: "to" } });
  to.setAttribute("list", "versions");
  const percent = el("input", {
    type: "number",
    min: 1,
    max: 100,
    step: 1,
    value: 10,
    required: true,
    data: { testid: "percent" },
  });
  const timeout = duration(
    "Time for the sessions of a share",
    60,
    "m",
    "Then those left are moved, with their media going on.",
  );
  const others = el("p", { className: "dim", ariaLive: "polite" });
  const tell = () => {
    const old = servers.known.filter((s) => s.version !== to.value).length;
    const share = Math.max(1, Math.ceil((old * percent.value) / 100));
    put(
      others,
      !to.value
        ? `Running now: ${known.join(", ") || "no server"}.`
        : old === 0
          ? "Every server runs this version."
          : `${count(old, "server")} ${old === 1 ? "runs" : "run"} another version;` +
            ` about ${share} at a time. Each waits for a server of ${to.value} to take its place.`,
    );
  };
  for (const input of [to, percent]) input.addEventListener("input", tell);
  tell();
  ask({
    title: "Start a rollout",
    confirm: "Start",
    body: [
      field("Version to run", to, "As the servers of the new release show it."),
      el("datalist", { id: "versions" }, ...known.map((value) => el("option", { value }))),
      field("Share, in percent", percent, "Of the servers that are to be replaced."),
      timeout.root,
      others,
    ],
    async act(once) {
      const body = { to: to.value.trim(), percent: Number(percent.value), timeout: timeout.value };
      await api.call("POST", "/v1/admin/rollouts", body, once);
      return `The rollout to ${body.to} has begun.`;
    },
  });
};

const askToAbort = (rollout) =>
  ask({
    title: `Abort the rollout to ${rollout.to}?`,
    confirm: "Abort it",
    danger: true,
    body: [el("p", { textContent: "Its old servers are active again. What was replaced stays replaced." })],
    async act() {
      await steer(rollout, "abort");
      return `The rollout to ${rollout.to} was aborted.`;
    },
  });

const steer = ({ id }, verb) =>
  api.call("POST", `/v1/admin/rollouts/${encodeURIComponent(id)}/${verb}`, undefined, api.once());

// livePanel is the rollout that is not over.
const livePanel = () => {
  let rollout;
  const title = el("h3"),
    state = el("p", { className: "pills" }),
    reason = notice();
  const bar = el("progress", { ariaLabel: "Servers replaced" }),
    done = el("p");
  const share = el("h4"),
    steps = el("ol", { className: "steps" }),
    deadline = el("p", { className: "dim" });
  const list = table(
    "Servers of the share",
    [
      { head: "Server", kind: "name", cell: (s) => s.id },
      { head: "State", cell: (s) => ({ pill: named(shareStates, s.state) }) },
      { head: "Version", kind: "name", cell: (s) => s.version },
      { head: "Sessions left", kind: "number", cell: (s) => s.remaining },
      { head: "Replaced by", kind: "name", cell: (s) => s.replacedBy ?? "–" },
    ],
    (s) => s.id,
    "share-server",
  );
  const rate = ({ connected, failed }) =>
    connected + failed ? `${((100 * failed) / (connected + failed)).toFixed(1)} %` : "–";
  const failures = table(
    "Failures since it began",
    [
      { head: "Servers of", kind: "name", cell: (f) => f.name },
      { head: "Connected", kind: "number", cell: (f) => f.connected.toLocaleString() },
      { head: "Failed", kind: "number", cell: (f) => f.failed.toLocaleString() },
      { head: "Failed, of all", kind: "number", cell: rate },
      { head: "Servers lost", kind: "number", cell: (f) => f.serversLost },
    ],
    (f) => f.name,
    "failures",
  );
  const buttons = { pause: "Pause", resume: "Resume", abort: "Abort…" };
  for (const [verb, text] of Object.entries(buttons)) {
    buttons[verb] = el("button", {
      type: "button",
      textContent: text,
      className: verb === "abort" ? "danger" : "",
      data: { testid: verb },
    });
  }
  onPress(buttons.pause, async () => (await steer(rollout, "pause"), "The rollout begins no other share."));
  onPress(buttons.resume, async () => (await steer(rollout, "resume"), "The rollout goes on."));
  buttons.abort.addEventListener("click", () => askToAbort(rollout));
  const part = el("div", {}, share, steps, deadline, list.root);
  const root = el(
    "article",
    { className: "card rollout", hidden: true, data: { testid: "rollout" } },
    el("header", {}, el("div", {}, title, state), el("div", { className: "buttons" }, ...Object.values(buttons))),
    reason.root,
    bar,
    done,
    part,
    el("h4", { textContent: "Failures since it began or was resumed" }),
    failures.root,
  );
  return {
    root,
    update(now) {
      root.hidden = !now;
      if (!now) return;
      rollout = now;
      root.dataset.state = now.state;
      put(title, `To ${now.to}`);
      const shares = `shares of ${now.percent} %, ${briefly(now.timeout)} each`;
      const words = `started ${since(now.startedAt)} by ${now.startedBy}, ${shares}`;
      state.replaceChildren(
        pill(...named(rolloutStates, now.state)),
        el("span", { className: "dim", textContent: words }),
      );
      reason.say(now.reason ?? "");
      reason.root.dataset.tone = now.state === "stopped" ? "bad" : "warn";
      Object.assign(bar, { max: Math.max(now.total, 1), value: now.replaced });
      put(done, `${now.replaced} of ${count(now.total, "server")} replaced`);
      buttons.pause.hidden = now.state !== "running";
      buttons.resume.hidden = now.state === "running";
      part.hidden = !now.share;
      if (now.share) this.tellShare(now);
      failures.fill([
        { name: "other versions", ...now.failures.old },
        { name: now.to, ...now.failures.new },
      ]);
    },
    tellShare({ share: s, state: running }) {
      put(share, `Share ${s.number}`);
      const at = phases.findIndex(([phase]) => phase === s.phase);
      steps.replaceChildren(
        ...phases.map(([, text], i) =>
          el("li", {
            textContent: text,
            data: { step: i < at ? "done" : i === at ? "now" : "later" },
            ariaCurrent: i === at ? "step" : "false",
          }),
        ),
      );
      const then = s.phase === "replacing" ? "without replacements it stops" : "sessions that are left are moved";
      deadline.replaceChildren(
        ...(running === "stopped"
          ? []
          : s.phase === "relocating"
            ? ["Moving the sessions that are left."]
            : [`Deadline `, countdown(s.deadline), `, then ${then}.`]),
      );
      list.fill(s.servers);
    },
  };
};

const rollouts = {
  id: "rollouts",
  title: "Rollouts",
  always: true, // a banner tells of the live one
  known: [],

  build(root) {
    const start = el("button", {
      type: "button",
      className: "primary",
      textContent: "Start a rollout…",
      data: { testid: "start-rollout" },
    });
    start.addEventListener("click", askToRollOut);
    this.start = start;
    this.panel = livePanel();
    this.past = table(
      "Rollouts",
      [
        { head: "To", kind: "name", cell: (r) => r.to },
        { head: "State", cell: (r) => ({ pill: named(rolloutStates, r.state) }) },
        { head: "Replaced", kind: "number", cell: (r) => `${r.replaced} of ${r.total}` },
        { head: "Started", kind: "time", cell: (r) => [moment(r.startedAt), { text: r.startedBy, className: "dim" }] },
        { head: "Ended", kind: "time", cell: (r) => moment(r.endedAt) },
        { head: "Reason", kind: "long", cell: (r) => r.reason ?? "" },
        { head: "", cell: (r) => ({ text: "Audit", href: link("audit", { object: `rollout:${r.id}` }) }) },
      ],
      (r) => r.id,
      "past-rollout",
    );
    this.none = el("p", { className: "empty", textContent: "There has been no rollout." });
    this.heading = el("h3", { textContent: "Those before" });
    root.append(
      el(
        "div",
        { className: "tools" },
        start,
        el("span", {
          className: "dim",
          textContent: "Media servers of other versions are drained and replaced, a share at a time.",
        }),
      ),
      this.panel.root,
      this.heading,
      this.past.root,
      this.none,
    );
  },

  async look() {
    this.known = (await api.get("/v1/admin/rollouts", { limit: 20 })).items;
    const live = this.known.find(isLive);
    byId("live-rollout").hidden = !live;
    if (live) {
      put(
        byId("live-rollout"),
        `Rollout to ${live.to}: ${named(rolloutStates, live.state)[2].toLowerCase()}, ` +
          `${live.replaced} of ${count(live.total, "server")} replaced`,
      );
      byId("live-rollout").dataset.tone = named(rolloutStates, live.state)[0];
    }
  },

  draw() {
    const live = this.known.find(isLive),
      past = this.known.filter((r) => r !== live);
    this.panel.update(live);
    this.start.disabled = Boolean(live);
    this.past.fill(past);
    this.past.root.hidden = this.heading.hidden = past.length === 0;
    this.none.hidden = this.known.length > 0;
  },
};
