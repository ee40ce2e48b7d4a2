// The page itself: which view is shown, looking again and again, and the key.

const period = 2000; // ms between looks
const hiddenPeriod = 10e3; // ms, while nobody sees the page
const longestWait = 10e3; // ms, after failures, unless the API wants a longer one
const views = [servers, sessions, rollouts, replicas, audit];

const link = (view, query = {}) => {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#${view}${given ? `?${given}` : ""}`;
};
const go = (view, query) => {
  history.replaceState(null, "", link(view, query));
  route();
};

// glance is the fleet in a line.
const glance = {
  draw(known) {
    const up = known.filter((s) => s.status === "up");
    const sum = (pick) => up.reduce((total, s) => total + pick(s), 0);
    const attention = known.filter(needsAttention).length;
    const show = (id, text) => put(byId(`glance-${id}`), text);
    show("servers", `${up.length} of ${known.length} up`);
    show("attention", attention ? `${attention} to look at` : "all well");
    byId("glance-attention").dataset.tone = attention ? "warn" : "good";
    show("sessions", known.reduce((total, s) => total + s.sessions, 0).toLocaleString());
    show("cpu", cores(sum((s) => s.load.cpu)));
    show("in", bits(sum((s) => s.load.bitrateIn)));
    show("out", bits(sum((s) => s.load.bitrateOut)));
    show("releases", [...new Set(known.map((s) => s.version))].sort().join(", ") || "–");
  },
};

let shown = servers,
  timer,
  failures = 0,
  looking = false,
  again = false;

// route shows the view that the address names.
const route = () => {
  const [name, query = ""] = location.hash.slice(1).split("?");
  shown = views.find((view) => view.id === name) ?? servers;
  for (const view of views) {
    view.section.hidden = view !== shown;
    view.tab.ariaCurrent = view === shown ? "page" : "false";
  }
  shown.tab.scrollIntoView({ block: "nearest", inline: "nearest" }); // the bar of a narrow screen
  document.title = `${shown.title} – Orkestro`;
  shown.show?.(new URLSearchParams(query));
  refresh();
};

const state = (tone, text) => {
  byId("state").dataset.tone = tone;
  put(byId("state-text"), text);
};

// signOut forgets the key and asks for another.
const signOut = (why) => {
  api.use("");
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  document.body.dataset.signedIn = "no";
  state("dim", "Signed out");
  put(byId("login-problem"), why);
  byId("key").value = "";
  byId("key").focus();
};

// lookAt reads and draws a view. What is wrong with its call alone, it says itself.
const lookAt = async (view) => {
  try {
    await view.look();
    view.notice.say("");
    if (view === shown) view.draw();
  } catch (err) {
    if (!(err instanceof Problem) || err.refused || err.away) throw err;
    view.notice.say(err.message);
  }
};

// failed says why a look failed, and returns how long to wait before the next, in ms; 0: there is to be none.
const failed = (err) => {
  if (err.refused) {
    signOut(err.status === 401 ? "This key is not accepted." : err.message);
    return 0;
  }
  failures++;
  state("warn", `Reconnecting: ${err.message}`);
  if (document.body.dataset.signedIn !== "yes") put(byId("login-problem"), err.message);
  if (!(err instanceof Problem)) console.error(err); // a fault of this page
  const backoff = Math.min(longestWait, 500 * 2 ** failures) * (0.75 + Math.random() / 2);
  return Math.max((err.retryAfter ?? 0) * 1000, backoff);
};

// look looks at everything that is due, and sees to it that it is done again.
const look = async () => {
  clearTimeout(timer);
  again = looking;
  if (looking) return;
  looking = true;
  const { key } = api;
  let wait = document.hidden ? hiddenPeriod : period;
  try {
    for (const view of views) {
      // One after the other: a key that is no good is refused once.
      if (view === shown || view.always) await lookAt(view);
    }
    failures = 0;
    document.body.dataset.signedIn = "yes";
    put(byId("login-problem"), "");
    state("good", "Live");
  } catch (err) {
    if (api.key === key) wait = failed(err); // else it is about the key before
  }
  looking = false;
  if (wait) timer = setTimeout(look, again ? 0 : wait);
};

const refresh = () => {
  if (api.key) look();
};

for (const view of views) {
  view.notice = notice();
  view.tab = el("a", { href: link(view.id), textContent: view.title, data: { testid: `tab-${view.id}` } });
  view.section = el("section", { id: `view-${view.id}`, ariaLabel: view.title, hidden: true }, view.notice.root);
  view.build(view.section);
  byId("tabs").append(view.tab);
  byId("views").append(view.section);
}
byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  api.use(byId("key").value.trim());
  refresh();
});
byId("leave").addEventListener("click", () => {
  api.use("");
  location.reload(); // nothing that was seen stays
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address stays that of the view
  byId("main").focus();
});
addEventListener("hashchange", route);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(tick, 1000);
if (!api.key) document.body.dataset.signedIn = "no";
route();
