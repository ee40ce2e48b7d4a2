// Releases side by side, the replicas of the control plane, and the manifest of members.

const replicaStates = {
  ready: ["good", "good", "Ready"],
  unready: ["warn", "warn", "Not ready"],
  stopping: ["warn", "leave", "Stopping"],
};
const services = { mediaserver: "media server", restapi: "REST", wrapper: "Wrapper" };

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
    this.mixed = el("p", { className: "dim" });
    root.append(
      el("h3", { textContent: "Releases" }),
      this.mixed,
      this.releases.root,
      el("h3", { textContent: "REST and Wrapper replicas" }),
      this.table.root,
    );
  },

  async look() {
    this.known = await api.all("/v1/admin/replicas", 1000);
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
  },
};
