// Who did what, newest first: as the entries are chained, from the head back.

// chainState says of each entry of a page whether the one before it, which is below, is the one that it names. It shows
// at a glance that nothing is missing; whether an entry was edited, `orkestro audit verify` tells. Of the entries of one
// object alone there are others between.
const chainState = (entries, whole) =>
  entries.map((entry, i) => {
    const before = entries[i + 1];
    if (!before) return "";
    if (before.seq !== entry.seq - 1) return whole ? "broken" : "";
    return before.hash === entry.previous ? "linked" : "broken";
  });

const audit = {
  id: "audit",
  title: "Audit",

  build(root) {
    this.object = el("input", {
      type: "search",
      placeholder: "session:ID, server:ID…",
      ariaLabel: "Only what was done to this object",
      maxLength: 128,
      data: { testid: "object" },
    });
    this.tail = el("input", { type: "checkbox", checked: true });
    this.broken = notice();
    this.none = el("p", { className: "empty", textContent: "Nothing is recorded." });
    this.pages = pager(() => refresh());
    this.table = table(
      "Audit",
      [
        { head: "Time", kind: "time", cell: (a) => ({ text: moment(a.time), title: a.time }) },
        { head: "Who", kind: "name", cell: (a) => a.actor },
        { head: "Did", cell: (a) => a.action },
        { head: "To", kind: "name", cell: (a) => ({ text: a.object, href: link("audit", { object: a.object }) }) },
        { head: "Why", kind: "long", cell: (a) => a.reason ?? "" },
        {
          head: "Result",
          cell: (a) => ({ pill: a.result === "ok" ? ["good", "good", "ok"] : ["bad", "bad", a.result] }),
        },
        {
          head: "Chain",
          kind: "chain",
          cell: (a) =>
            a.seq === undefined
              ? ""
              : [
                  { text: `#${a.seq} ${(a.hash ?? "").slice(0, 8)}`, title: `hash ${a.hash}\nprevious ${a.previous}` },
                  ...(a.chain
                    ? [{ pill: a.chain === "linked" ? ["good", "good", "linked"] : ["bad", "bad", "broken"] }]
                    : []),
                ],
        },
      ],
      (a) => a.id,
      "entry",
    );
    let timer;
    this.object.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => go("audit", { object: this.object.value.trim() }), 300); // ms; whoever types goes on
    });
    this.tail.addEventListener("change", () => refresh());
    root.append(
      el(
        "div",
        { className: "tools" },
        this.object,
        el("label", { className: "check" }, this.tail, "Live"),
        el(
          "span",
          { className: "dim" },
          "Newest first. ",
          el("code", { textContent: "orkestro audit verify" }),
          " checks the whole chain.",
        ),
      ),
      this.broken.root,
      this.table.root,
      this.none,
      this.pages.root,
    );
  },

  show(query) {
    if (this.object !== document.activeElement) this.object.value = query.get("object") ?? "";
    this.pages.reset();
    this.page = null;
  },

  // look follows the newest entries; a page of older ones, and any while not live, is read once.
  async look() {
    const wanted = `${this.pages.cursor} ${this.object.value.trim()}`;
    if (this.page && this.read === wanted && (!this.tail.checked || !this.pages.first)) return;
    this.page = await api.get("/v1/admin/audit", {
      limit: 50,
      order: "head",
      object: this.object.value.trim(),
      cursor: this.pages.cursor,
    });
    this.read = wanted;
  },

  draw() {
    const { items } = this.page,
      states = chainState(items, !this.object.value.trim());
    this.table.fill(items.map((entry, i) => ({ ...entry, chain: states[i] })));
    this.table.root.hidden = items.length === 0;
    this.none.hidden = items.length > 0;
    this.broken.say(states.includes("broken") ? "The chain is broken on this page: run orkestro audit verify." : "");
    this.pages.show(this.page);
  },
};
