// Sessions, and where they are.

const sessionStates = {
  active: ["good", "run", "Active"],
  closing: ["warn", "leave", "Closing"],
  closed: ["dim", "empty", "Closed"],
};

const sessionState = ({ state, relocation }) =>
  relocation ? { pill: ["accent", "move", `Moving from ${relocation.from}`] } : { pill: named(sessionStates, state) };

// pager goes through a list page by page, whatever its length. The list has cursors: those of pages before are kept.
const pager = (changed) => {
  const back = el("button", { type: "button", textContent: "‹ Back" });
  const on = el("button", { type: "button", textContent: "More ›" });
  const text = el("span", { className: "dim" });
  const root = el("nav", { className: "pager", ariaLabel: "Pages" }, back, text, on);
  const before = [];
  let cursor = "",
    next = "";
  back.addEventListener("click", () => {
    cursor = before.pop() ?? "";
    changed();
  });
  on.addEventListener("click", () => {
    before.push(cursor);
    cursor = next;
    changed();
  });
  return {
    root,
    get cursor() {
      return cursor;
    },
    get first() {
      return before.length === 0;
    },
    reset() {
      before.length = 0;
      cursor = "";
    },
    show(page) {
      next = page.next ?? "";
      back.disabled = before.length === 0;
      on.disabled = next === "";
      put(text, `Page ${before.length + 1}`);
      root.hidden = back.disabled && on.disabled;
    },
  };
};

// showSession opens what there is to know of a session.
const showSession = async (id) => {
  const path = `/v1/sessions/${encodeURIComponent(id)}`;
  const body = el("div", { className: "details" }, el("p", { textContent: "Looking…" }));
  ask({ title: id, body: [body] });
  try {
    const [s, users] = await Promise.all([api.get(path), api.get(`${path}/users`, { limit: 50 })]);
    const facts = {
      State: s.relocation ? `moving from ${s.relocation.from} since ${moment(s.relocation.since)}` : s.state,
      Made: moment(s.createdAt),
      "Media server": s.pipeline?.server ?? "none yet",
      Pipeline: s.pipeline?.id ?? "none yet",
      Epoch: s.epoch,
      Region: s.region || "any",
      Metadata: JSON.stringify(s.metadata),
      Users: s.maxUsers ? `${s.users} of ${s.maxUsers}` : s.users,
    };
    const list = table(
      `Users of ${id}`,
      [
        { head: "User", kind: "name", cell: (u) => [u.id, { text: u.name, className: "dim" }] },
        {
          head: "State",
          cell: (u) => ({ pill: u.state === "joined" ? ["good", "good", "Joined"] : ["warn", "warn", "Reconnecting"] }),
        },
        {
          head: "Streams",
          cell: (u) =>
            u.streams
              .map((stream) => stream.kinds.join(" + ") + (stream.state === "paused" ? " (paused)" : ""))
              .join(", ") || "none",
        },
      ],
      (u) => u.id,
      "user",
    );
    list.fill(users.items);
    body.replaceChildren(
      el(
        "dl",
        {},
        ...Object.entries(facts).flatMap(([name, value]) => [
          el("dt", { textContent: name }),
          el("dd", { textContent: value }),
        ]),
      ),
      ...(users.items.length ? [list.root] : []),
      ...(users.next ? [el("p", { className: "dim", textContent: "and more users" })] : []),
      el("a", { href: link("audit", { object: `session:${id}` }), textContent: "What was done to it" }),
    );
    body.querySelector("a").addEventListener("click", () => body.closest("dialog").close());
  } catch (err) {
    body.replaceChildren(el("p", { className: "notice", role: "alert", textContent: err.message }));
  }
};

const sessions = {
  id: "sessions",
  title: "Sessions",

  build(root) {
    this.prefix = el("input", {
      type: "search",
      placeholder: "Begins with…",
      ariaLabel: "Find sessions by the beginning of their id",
      maxLength: 64,
      data: { testid: "prefix" },
    });
    this.server = el(
      "select",
      { ariaLabel: "Media server" },
      el("option", { value: "", textContent: "On any server" }),
    );
    this.state = el(
      "select",
      { ariaLabel: "State" },
      ...[
        ["", "Live"],
        ["closing", "Closing"],
        ["closed", "Closed"],
      ].map(([value, textContent]) => el("option", { value, textContent })),
    );
    this.moving = el("input", { type: "checkbox" });
    this.pages = pager(() => refresh());
    this.none = el("p", { className: "empty", hidden: true });
    this.table = table(
      "Sessions",
      [
        {
          head: "Session",
          kind: "name",
          cell: (s) => ({ text: s.id, className: "link", onclick: () => showSession(s.id) }),
        },
        { head: "State", cell: sessionState },
        { head: "Users", kind: "number", cell: (s) => s.users + (s.maxUsers ? ` of ${s.maxUsers}` : "") },
        { head: "Media server", kind: "name", cell: (s) => s.pipeline?.server ?? "–" },
        { head: "Epoch", kind: "number", cell: (s) => s.epoch },
        { head: "Region", cell: (s) => s.region || "any" },
        { head: "Made", cell: (s) => since(s.createdAt) },
      ],
      (s) => s.id,
      "session",
    );
    let timer;
    const filtered = (wait) => () => {
      clearTimeout(timer);
      timer = setTimeout(() => go("sessions", this.filter()), wait);
    };
    this.prefix.addEventListener("input", filtered(300)); // ms; whoever types goes on typing
    for (const input of [this.server, this.state, this.moving]) input.addEventListener("change", filtered(0));
    root.append(
      el(
        "div",
        { className: "tools" },
        this.prefix,
        this.server,
        this.state,
        el("label", { className: "check" }, this.moving, "Only those that are moving"),
      ),
      this.table.root,
      this.none,
      this.pages.root,
    );
  },

  filter() {
    return {
      prefix: this.prefix.value.trim(),
      server: this.server.value,
      state: this.state.value,
      relocating: this.moving.checked ? "true" : "",
    };
  },

  // show takes the filter out of the address.
  show(query) {
    const server = query.get("server") ?? "";
    this.choose(server);
    if (this.prefix !== document.activeElement) this.prefix.value = query.get("prefix") ?? "";
    this.state.value = query.get("state") ?? "";
    this.moving.checked = query.get("relocating") === "true";
    this.pages.reset();
  },

  // choose offers the servers that there are, and the one that was asked for.
  choose(server) {
    const ids = [...new Set([...servers.known.map((s) => s.id), ...(server ? [server] : [])])].sort();
    if (ids.join("\n") !== this.offered) {
      this.offered = ids.join("\n");
      this.server.replaceChildren(
        el("option", { value: "", textContent: "On any server" }),
        ...ids.map((id) => el("option", { value: id, textContent: `On ${id}` })),
      );
    }
    this.server.value = server;
  },

  async look() {
    this.page = await api.get("/v1/sessions", { limit: 50, cursor: this.pages.cursor, ...this.filter() });
  },

  draw() {
    this.choose(this.server.value);
    this.table.fill(this.page.items);
    this.table.root.hidden = this.page.items.length === 0;
    this.none.hidden = this.page.items.length > 0;
    put(this.none, Object.values(this.filter()).some(Boolean) ? "No session is like that." : "There is no session.");
    this.pages.show(this.page);
  },
};
