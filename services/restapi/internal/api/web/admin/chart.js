// Small charts over the last minutes, of what was seen since the page is open. Those of one figure share one scale, so
// that servers can be compared by looking.

const leastTime = 60e3; // ms
const mostTime = 5 * 60e3; // ms
const longestGap = 15e3; // ms; the line of what was not looked at for longer is interrupted
const chartWidth = 300,
  chartHeight = 52;

// History is the samples of one server: {at, ...figures}.
class History {
  samples = [];

  add(sample) {
    this.samples.push(sample);
    while (this.samples[0].at < sample.at - mostTime - longestGap) this.samples.shift();
  }

  most(pick) {
    return this.samples.reduce((most, sample) => Math.max(most, pick(sample)), 0);
  }
}

// scaleFor is the end of a scale from 0 on which most fits: a round figure of the unit.
const scaleFor = (most, unit) => {
  const power = unit * 10 ** Math.floor(Math.log10(Math.max(most, unit) / unit));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((n) => n * power).find((end) => end >= most);
};

// linePath is the path of a line over the last ms of time until now; area closes it down to 0.
const linePath = (samples, pick, { now, time, scale }, area) => {
  let path = "",
    last = -Infinity;
  const x = (at) => (chartWidth * (1 - (now - at) / time)).toFixed(1);
  const y = (value) => (chartHeight - 1 - (chartHeight - 3) * Math.min(value / scale, 1)).toFixed(1);
  const close = () => (path && area ? `L${x(last)} ${chartHeight}Z` : "");
  for (const sample of samples) {
    if (sample.at - last > longestGap) path += close() + (area ? `M${x(sample.at)} ${chartHeight}L` : "M");
    else path += "L";
    path += `${x(sample.at)} ${y(pick(sample))}`;
    last = sample.at;
  }
  return path + close();
};

// chart draws lines, each a function of a sample; the second one is dashed. text is the words for the values of a
// sample, or for the end of the scale; names tells several lines apart.
const chart = ({ label, lines, text, names = [] }) => {
  const swatch = (i) =>
    svg(
      "svg",
      { viewBox: "0 0 18 4", class: "swatch", "aria-hidden": "true" },
      svg("path", { d: "M0 2H18", class: i ? "line second" : "line" }),
    );
  const value = el("span", { className: "value" }),
    most = el("span", { className: "most" });
  const area = svg("path", { class: "area" });
  const paths = lines.map((line, i) => svg("path", { class: i ? "line second" : "line" }));
  const mark = svg("path", { class: "mark" });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${chartWidth} ${chartHeight}`, preserveAspectRatio: "none", role: "img" },
    area,
    ...paths,
    mark,
  );
  const root = el(
    "figure",
    { className: "chart" },
    el(
      "figcaption",
      {},
      el("span", {}, ...(names.length ? names.flatMap((name, i) => [`${name} `, swatch(i), " "]) : [label])),
      most,
      value,
    ),
    picture,
  );
  let pointed = null,
    samples = [],
    frame = { now: 0, time: mostTime, scale: 1 };

  const read = (sample) => text(...lines.map((pick) => pick(sample)));
  const tell = () => {
    const { now, time } = frame;
    const near = (at) => samples.reduce((best, s) => (Math.abs(s.at - at) < Math.abs(best.at - at) ? s : best));
    const at = pointed === null ? null : now - time * (1 - pointed);
    const sample = samples.length === 0 ? null : at === null ? samples.at(-1) : near(at);
    put(value, sample ? (at === null ? "" : `${clock(sample.at - api.skew)}  `) + read(sample) : "–");
    const x = sample && chartWidth * (1 - (now - sample.at) / time);
    mark.setAttribute("d", at === null || !sample ? "" : `M${x.toFixed(1)} 0V${chartHeight}`);
  };
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    pointed = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    tell();
  });
  picture.addEventListener("pointerleave", () => {
    pointed = null;
    tell();
  });

  return {
    root,
    // draw shows what was seen; a frame is {now, time, scale}: until when, over how many ms, and up to which figure.
    draw(seen, within) {
      samples = seen;
      frame = within;
      area.setAttribute("d", linePath(samples, lines[0], frame, true));
      paths.forEach((path, i) => path.setAttribute("d", linePath(samples, lines[i], frame, false)));
      put(most, `0–${text(frame.scale).replace(/\.0+(?=\D)/, "")}`);
      tell();
      const last = samples.at(-1),
        peak = Math.max(...lines.flatMap((pick) => samples.map(pick)));
      const words = last ? `${read(last)}; at most ${text(peak)} in the last minutes` : "nothing known yet";
      picture.setAttribute("aria-label", `${label}: ${words}`);
    },
  };
};
