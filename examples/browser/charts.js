// Charts as SVG: two axes, a line or bars, and a sentence for people who cannot see them.
import { s } from "./dom.js";
import { count, decimal, percent } from "./words.js";

const [W, H, LEFT, RIGHT, TOP, BOTTOM] = [380, 260, 66, 14, 12, 40];
export const px = (x) => LEFT + x * (W - LEFT - RIGHT);
export const py = (y) => H - BOTTOM - y * (H - TOP - BOTTOM);

/** Axes, their titles, and the marks between them. `px` and `py` convert shares of the width and the height to positions. */
export function frame(label, xTitle, yTitle, ticks, ...marks) {
  const text = (x, y, words, anchor, name) => s("text", { x, y, "text-anchor": anchor, class: name }, words);
  return s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label, class: "chart" },
    ticks.y.map(([at, words]) => [s("line", { x1: LEFT, x2: W - RIGHT, y1: py(at), y2: py(at), class: "grid" }), text(LEFT - 7, py(at) + 4, words, "end")]),
    ticks.x.map(([at, words]) => text(px(at), H - BOTTOM + 17, words, "middle")),
    text((LEFT + W - RIGHT) / 2, H - 5, xTitle, "middle", "title"),
    s("text", { x: 11, y: (TOP + H - BOTTOM) / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${(TOP + H - BOTTOM) / 2})`, class: "title" }, yTitle),
    ...marks);
}

const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const three = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });
const shares = [0, 0.25, 0.5, 0.75, 1].map((at) => [at, `${100 * at} %`]);
const line = (points, name) => s("polyline", { points: points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" "), class: `line ${name ?? ""}` });
const diagonal = () => line([[0, 0], [1, 1]], "dash");

export function gain({ gain: points }) {
  const fifth = points.find(([share]) => share >= 0.2)?.[1] ?? 0;
  return frame(`The riskiest fifth of the customers holds ${percent(fifth)} of those who left.`, "customers contacted, riskiest first", "of those who left", { x: shares, y: shares }, diagonal(), line(points));
}

export function roc({ roc: points }, auc) {
  return frame(`ROC curve, area ${auc.toFixed(3)}.`, "of those who stayed, wrongly flagged", "of those who left, found", { x: shares, y: shares }, diagonal(), line(points));
}

export function reliability({ reliability: bins }) {
  const dots = bins.map((bin) => s("circle", { cx: px(bin.predicted), cy: py(bin.observed), r: 4.5, class: "dot" },
    s("title", {}, `predicted ${percent(bin.predicted)}, observed ${percent(bin.observed)}, ${count(bin.customers)} customers`)));
  return frame("Predicted risk against the share that really left, in ten groups of equal size.", "risk that was predicted", "share that left", { x: shares, y: shares }, diagonal(), line(bins.map((bin) => [bin.predicted, bin.observed])), dots);
}

// Charts over days leave the top sixth of their height for the names of the marks.
const ROOM = 0.84;
const LABELLED = 5;
const days = (rows) => {
  const every = Math.ceil(rows.length / (LABELLED - 1));
  return rows.flatMap((row, i) => (i % every === 0 ? [[(i + 0.5) / rows.length, row.cutoff]] : []));
};
const label = (x, y, words, name) => s("text", { x, y, "text-anchor": name === "key" ? "start" : "middle", class: name }, words);
const diamond = (x, y, ...children) => s("path", { d: `M${x - 5.5} ${y}L${x} ${y - 5.5}L${x + 5.5} ${y}L${x} ${y + 5.5}Z`, class: "diamond" }, ...children);

/** The AUC of the model and of recency alone at each day, with the interval of the mean as a band. */
export function ranking(rows, mean) {
  const within = (value) => Math.min(1, Math.max(0, value));
  const known = rows.filter((row) => row.recency_auc !== null);
  const low = Math.floor(10 * Math.min(0.5, within(mean.low), ...rows.map((row) => within(row.roc_auc)), ...known.map((row) => within(row.recency_auc)))) / 10;
  const at = (auc) => (ROOM * (within(auc) - low)) / (1 - low);
  const x = (row) => (rows.indexOf(row) + 0.5) / rows.length;
  const step = 1 - low > 0.55 ? 0.2 : 0.1;
  const y = Array.from({ length: Math.floor((1 - low) / step + 1e-9) + 1 }, (_, i) => 1 - step * i).map((auc) => [at(auc), decimal(auc, 1)]);
  const mark = (draw, row, auc) => draw(px(x(row)), py(at(auc)), s("title", {}, `${row.cutoff}: ${decimal(auc)}`));
  const circle = (cx, cy, ...children) => s("circle", { cx, cy, r: 4.5, class: "dot" }, ...children);
  // The higher of the two values stands above its mark, the lower one below.
  const value = (row, auc, above) => label(px(x(row)), py(at(auc)) + (above ? -9 : 18), decimal(auc, 2), "value");
  const range = (values) => [Math.min(...values), Math.max(...values)].map((auc) => decimal(within(auc), 2)).join(" and ");
  const also = known.length > 0 ? `, recency alone between ${range(known.map((row) => row.recency_auc))}` : "";
  return frame(`AUC at ${rows.length} days: the model between ${range(rows.map((row) => row.roc_auc))}${also}.`, "day at which the customers were scored", "AUC (0.5 is a coin)", { x: days(rows), y },
    s("rect", { x: px(0), width: px(1) - px(0), y: py(at(mean.high)), height: Math.max(1, py(at(mean.low)) - py(at(mean.high))), class: "within" }),
    line(known.map((row) => [x(row), at(row.recency_auc)]), "dash"), line(rows.map((row) => [x(row), at(row.roc_auc)])),
    known.map((row) => mark(diamond, row, row.recency_auc)), rows.map((row) => mark(circle, row, row.roc_auc)),
    rows.length <= LABELLED && [
      rows.map((row) => value(row, row.roc_auc, row.recency_auc === null || row.roc_auc >= row.recency_auc)),
      known.map((row) => value(row, row.recency_auc, row.roc_auc < row.recency_auc)),
    ],
    circle(LEFT + 8, TOP + 6), label(LEFT + 18, TOP + 10, "the model", "key"),
    known.length > 0 && [diamond(LEFT + 104, TOP + 6), label(LEFT + 114, TOP + 10, "recency alone", "key")]);
}

/** The customers who were expected to leave and those who left, at each day. */
export function churners(rows) {
  const most = Math.max(1, ...rows.flatMap((row) => [row.expected, row.churned]));
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most / 5)));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= most / 5);
  const top = step * Math.ceil((1.04 * most) / step);
  const at = (customers) => ROOM * Math.max(0, customers / top);
  const short = (customers) => (customers < 99_999.5 ? count(customers) : compact.format(customers));
  const y = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => [at(i * step), short(i * step)]);
  const group = (px(1) - px(0)) / rows.length;
  const width = Math.min(40, 0.42 * group);
  const bar = (x, customers, name, title) => [
    s("rect", { x, width, y: py(at(customers)), height: py(0) - py(at(customers)), class: `bar ${name}` }, s("title", {}, title)),
    // There is room for five characters.
    rows.length <= LABELLED && label(x + width / 2, py(at(customers)) - 6, customers < 999.5 ? count(customers) : three.format(customers), "value small"),
  ];
  return frame(`Customers expected to leave, and those who left: ${rows.map((row) => `${row.cutoff} ${short(row.expected)} and ${short(row.churned)}`).join(", ")}.`, "day at which the customers were scored", "customers", { x: days(rows), y },
    rows.map((row, i) => {
      const middle = px(0) + (i + 0.5) * group;
      return [bar(middle - 1.5 - width, row.expected, "expected", `${row.cutoff}: ${short(row.expected)} expected`), bar(middle + 1.5, row.churned, "observed", `${row.cutoff}: ${short(row.churned)} left`)];
    }),
    s("rect", { x: LEFT + 2, y: TOP, width: 12, height: 12, class: "bar expected" }), label(LEFT + 20, TOP + 10, "expected", "key"),
    s("rect", { x: LEFT + 104, y: TOP, width: 12, height: 12, class: "bar observed" }), label(LEFT + 122, TOP + 10, "observed", "key"));
}

/** Bars of shares, one per group. */
export function bars(groups, label, xTitle, yTitle) {
  const most = Math.max(...groups.map((group) => group.share), 0.01);
  const top = [0.1, 0.2, 0.25, 0.5, 0.75, 1].find((limit) => limit >= most) ?? 1;
  const width = 1 / groups.length;
  const every = Math.ceil(groups.length / 6);
  const y = [0, 0.5, 1].map((at) => [at, percent(at * top).replace(/[.,]0/, "")]);
  const x = groups.flatMap((group, i) => (i % every === 0 ? [[(i + 0.5) * width, group.name]] : []));
  return frame(label, xTitle, yTitle, { x, y }, groups.map((group, i) =>
    s("rect", { x: px((i + 0.14) * width), width: Math.max(1, px((i + 0.86) * width) - px((i + 0.14) * width)), y: py(group.share / top), height: py(0) - py(group.share / top), rx: 2, class: "bar" },
      s("title", {}, group.title))));
}

/** Expected profit by the share of customers contacted. */
export function profitCurve({ points, best }) {
  const values = points.map((point) => point.profit);
  const [low, high] = [Math.min(0, ...values), Math.max(1e-9, ...values)];
  const at = (profit) => (profit - low) / (high - low);
  const short = (value) => compact.format(value);
  const y = [low, 0, high / 2, high].filter((value, i, all) => all.findIndex((other) => Math.abs(at(other) - at(value)) < 0.08) === i).map((value) => [at(value), short(value)]);
  return frame(`Expected profit, highest when ${percent(best.share)} of the customers are contacted.`, "customers contacted, most worth it first", "expected profit", { x: shares, y },
    line(points.map((point) => [point.share, at(point.profit)])), s("circle", { cx: px(best.share), cy: py(at(best.profit)), r: 5, class: "dot" }));
}

/** The contribution of each feature to the risk of one customer: bars to the left or right of zero. */
export function contributions(features) {
  const shown = features.filter((feature) => feature.adds !== 0).sort((a, b) => Math.abs(b.adds) - Math.abs(a.adds)).slice(0, 8);
  const most = Math.max(...shown.map((feature) => Math.abs(feature.adds)), 1e-9);
  const [width, row, middle, half] = [420, 28, 285, 130];
  const height = row * shown.length + 26;
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart adds", "aria-label": "What each feature adds to the risk or takes from it." },
    s("text", { x: middle - 8, y: 13, "text-anchor": "end", class: "title" }, "lowers the risk"),
    s("text", { x: middle + 8, y: 13, class: "title" }, "raises it"),
    shown.map((feature, i) => {
      const length = (half * Math.abs(feature.adds)) / most;
      const y = 22 + i * row;
      return [
        s("text", { x: 0, y: y + 15 }, feature.name.replaceAll("_", " ")),
        s("rect", { x: feature.adds > 0 ? middle : middle - length, y: y + 3, width: length, height: row - 10, rx: 2, class: feature.adds > 0 ? "raises" : "lowers" },
          s("title", {}, `${feature.adds > 0 ? "+" : ""}${feature.adds.toFixed(3)}`)),
      ];
    }),
    s("line", { x1: middle, x2: middle, y1: 20, y2: height - 4, class: "axis" }));
}
