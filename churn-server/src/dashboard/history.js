// Segment sizes over time: one stacked bar for each batch of predictions, the oldest on the left.
import { band, h, s, table } from "./dom.js";
import { frame, px, py } from "./charts.js";
import { count, percent, plural } from "./words.js";

export const SEGMENTS = ["Low", "Medium", "High", "Critical"];

/** `batches`: oldest first, each with `name`, `title` and `counts` of the segments. */
export function history(batches) {
  const total = ({ counts }) => SEGMENTS.reduce((sum, name) => sum + (counts[name] ?? 0), 0);
  const most = Math.max(1, ...batches.map(total));
  const top = ceiling(most);
  const width = 1 / batches.length;
  const every = Math.ceil(batches.length / 5);
  const y = [0, 0.5, 1].map((at) => [at, count(at * top)]);
  const x = batches.flatMap((batch, i) => (i % every === 0 ? [[(i + 0.5) * width, batch.name]] : []));
  const last = batches.at(-1);
  const label = `Customers by risk band in ${plural(batches.length, "batch", "batches")}; in the latest, ${SEGMENTS.map((name) => `${count(last.counts[name] ?? 0)} ${name}`).join(", ")}.`;
  const [thick, gap] = [Math.min(0.72 * width, 0.12), 1];
  const bars = batches.map((batch, i) => {
    let below = 0;
    return s("g", {}, s("title", {}, batch.title), [...SEGMENTS].reverse().map((name) => {
      const share = (batch.counts[name] ?? 0) / top;
      const [from, to] = [py(below), py(below + share)];
      below += share;
      return share > 0 && s("rect", { class: `of-${name}`, rx: 1.5, x: px((i + 0.5) * width - thick / 2), width: px(thick) - px(0), y: to, height: Math.max(0.75, from - to - gap) });
    }));
  });
  return frame(label, "scored", "customers", { x, y }, bars);
}

/** A round number that is not below `most` and is even, so that its half is an integer. */
function ceiling(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 6, 8, 10].map((times) => times * power).find((limit) => limit >= most && limit % 2 === 0) ?? 2;
}

/** The same numbers as a table. */
export const historyTable = (batches) =>
  table("Risk bands by batch", ["Scored", ...[...SEGMENTS].reverse().map(band), "At risk"],
    [...batches].reverse().map(({ name, counts }) => {
      const all = SEGMENTS.reduce((sum, band) => sum + (counts[band] ?? 0), 0);
      return [name, ...[...SEGMENTS].reverse().map((band) => count(counts[band] ?? 0)), percent(((counts.High ?? 0) + (counts.Critical ?? 0)) / Math.max(1, all))];
    }), { class: "dates" });
