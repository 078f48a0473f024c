// Charts as SVG: two axes, a line or bars, and a sentence for people who cannot see them.
import { s } from "./dom.js";
import { count, percent } from "./words.js";

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
  const short = (value) => new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 }).format(value);
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
