// Releases side by side, the replicas of the control plane, and which media servers are members.

const replicaStates = {
  ready: ["good", "good", "Ready"],
  unready: ["warn", "warn", "Not ready"],
  stopping: ["warn", "leave", "Stopping"],
};
const services = { mediaserver: "media server", restapi: "REST", wrapper: "Wrapper" };

// membershipPart is which tokens of media servers count, in a fleet that asks for them.
const membershipPart = () => {
  const text = el("p", { className: "dim" });
  const list = table(
    "Tokens that count",
    [
      { head: "Generation", kind: "number", cell: (a) => a.generation },
      { head: "Signed by", kind: "name", cell: (a) => a.key },
      { head: "Counts", cell: (a) => (a.until ? `until ${moment(a.until)}` : "without end") },
    ],
    (a) => a.generation,
    "generation",
  );
  const root = el("div", { hidden: true }, el("h3", { textContent: "Membership of media servers" }), text, list.root);
  return {
    root,
    update({ enabled, generation, accepts = [], versions, issuedAt }) {
      root.hidden = !enabled;
      const which = versions ? `Versions: ${versions.join(", ")}.` : "Every version.";
      const manifest = issuedAt
        ? `Manifest ${generation}, issued ${moment(issuedAt)}.`
        : "No manifest but the key itself.";
      put(text, accepts.length ? `${manifest} ${which}` : "No manifest that the key leads to: no server is admitted.");
      list.fill(accepts);
      list.root.hidden = accepts.length === 0;
    },
  };
};

const replicas = {
  id: "replicas",
  title: "Replicas",

  build(root) {
    this.releases = table(
      "Releases",
      [
        { head: "Release", kind: "name", cell: (r) => r.version },
        { head: "Media servers", kind: "number", cell: (r) => r.mediaserver },
        { head: "REST", kind: "number", cell: (r) => r.restapi },
        { head: "Wrappers", kind: "number", cell: (r) => r.wrapper },
      ],
      (r) => r.version,
      "release",
    );
    this.table = table(
      "REST and Wrapper replicas",
      [
        { head: "Replica", kind: "name", cell: (r) => r.id },
        { head: "Service", cell: (r) => services[r.service] ?? r.service },
        {
          head: "State",
          cell: (r) => ({
            pill: isSilent(r) ? ["bad", "bad", "Silent"] : named(replicaStates, r.state),
          }),
        },
        { head: "Release", kind: "name", cell: (r) => r.version },
        { head: "Started", cell: (r) => since(r.startedAt) },
        { head: "Heard of", cell: (r) => since(r.heartbeatAt) },
      ],
      (r) => `${r.service}/${r.id}`,
      "replica",
    );
    this.membership = membershipPart();
    this.mixed = el("p", { className: "dim" });
    root.append(
      el("h3", { textContent: "Releases" }),
      this.mixed,
      this.releases.root,
      el("h3", { textContent: "REST and Wrapper replicas" }),
      this.table.root,
      this.membership.root,
    );
  },

  async look() {
    this.known = await api.all("/v1/admin/replicas", 1000);
    this.members = await api.get("/v1/admin/membership").catch((err) => {
      if (err.status !== 404) throw err;
      return { enabled: false }; // a replica of an older release
    });
  },

  draw() {
    const versions = new Map();
    const add = (version, service) => {
      if (!versions.has(version)) versions.set(version, { version, mediaserver: 0, restapi: 0, wrapper: 0 });
      versions.get(version)[service]++;
    };
    for (const s of servers.known) if (s.status !== "down") add(s.version, "mediaserver");
    for (const r of this.known) add(r.version, r.service);
    const found = [...versions.values()].sort((a, b) => (a.version < b.version ? -1 : 1));
    this.releases.fill(found);
    put(
      this.mixed,
      found.length > 1 ? `${found.length} releases run beside each other.` : "Everything runs the same release.",
    );
    this.table.fill(this.known);
    this.membership.update(this.members);
  },
};
