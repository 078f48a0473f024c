// The results that only subscriptions have: the customers by status, what came and went by month, and how long customers stay.
import { badRows } from "./results.js";
import { saveButton } from "./save.js";
import { card, h, table } from "./dom.js";
import { ranking } from "./over_time.js";
import { count, money, percent, plural } from "./words.js";

const NAMES = { 30: "1 month", 91: "3 months", 182: "6 months", 365: "1 year", 730: "2 years" };
const dash = "–";

/** The main result in a sentence, and four numbers. */
export function headline({ today, model, source, base }) {
  const { labels } = model;
  const ranks = ranking(model.evaluation);
  const atRisk = (today.counts.High ?? 0) + (today.counts.Critical ?? 0);
  const when = labels.before_renewal_days ? "at the next renewal" : `within ${labels.horizon_days} days`;
  const tile = (name, value, note) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: "number" }, value), h("dd", {}, note));
  return h("section", { "aria-labelledby": "found" },
    h("p", { class: "eyebrow" }, `${source} · as of ${today.as_of}`),
    h("h2", { id: "found", tabindex: "-1", class: "found" },
      `Of ${plural(today.customers, "active customer")}, about ${count(Math.round(today.expected))} ${Math.round(today.expected) === 1 ? "is" : "are"} expected to leave ${when}.`),
    !model.findings && model.warnings.map((warning) => h("div", { class: "alert", role: "note" }, h("p", {}, warning))),
    h("dl", { class: "tiles" },
      tile("Expected to leave", count(Math.round(today.expected)), `all risks added up, ${when}`),
      tile("At high or critical risk", count(atRisk), `${percent(atRisk / Math.max(1, today.customers))} of the active customers`),
      today.has_values
        ? tile("At risk a month", money(today.at_risk), `of ${money(base.active_amount)} a month, weighted by risk`)
        : tile("Already cancelled", count(base.already_cancelled), "but still there"),
      tile("How well it ranks", ranks.auc, ranks.note)));
}

/** The customers by status, with the lists of those who need no prediction. */
export function status({ base, today }, complain) {
  const row = (name, customers, amount) => [name, count(customers), ...(today.has_values ? [amount === undefined ? dash : money(amount)] : [])];
  const lists = [
    base.already_cancelled > 0 && saveButton("cancelled", "already_cancelled.csv", "Those who have cancelled (CSV)", complain),
    base.due > 0 && saveButton("dunning", "dunning.csv", "Those whose payment may fail (CSV)", complain),
  ].filter(Boolean);
  return card("Customers by status",
    h("p", { class: "quiet" }, "Only active customers have a risk. Those who have already cancelled are known to leave: win them back or let them go, but a prediction says nothing about them."),
    table("Customers by status", ["Status", "Customers", ...(today.has_values ? ["Amount a month"] : [])], [
      row("Active", base.active, base.active_amount),
      row("Already cancelled, still there", base.already_cancelled, base.already_cancelled_amount),
      row("Not active", base.not_active),
    ], { id: "status" }),
    base.not_due > 0 && h("p", { class: "quiet" }, `The next renewal of ${plural(base.not_due, "active customer")} is not due yet; they have no risk.`),
    base.due > 0 && h("p", {}, `${plural(base.due, "active customer")} ${base.due === 1 ? "is" : "are"} more likely to leave because a payment fails than because they cancel. A reminder about their card helps them; a discount does not.`),
    lists.length > 0 && h("p", { class: "buttons" }, lists));
}

/** What came and went in the last months. */
export function movements({ months, today }) {
  if (months.length === 0) return undefined;
  const rate = (value) => (value === null ? dash : percent(value));
  const some = months.some((month) => month.provisional);
  const rows = months.map(({ month, customers, amounts, net_retention, customer_churn_rate, provisional }) => [
    `${month.slice(0, 7)}${provisional ? " *" : ""}`, count(customers.start), count(customers.new), count(customers.reactivation), count(customers.churn), count(customers.end),
    rate(customer_churn_rate), ...(today.has_values ? [money(amounts.end), rate(net_retention)] : []),
  ]);
  return card(`What came and went in the last ${plural(months.length, "month")}`,
    table("Movements by month", ["Month", "At the start", "New", "Back again", "Left", "At the end", "Share that left", ...(today.has_values ? ["Amount a month at the end", "Amount kept"] : [])], rows, { id: "movements" }),
    today.has_values && h("p", { class: "quiet" }, "Amount kept is the net revenue retention: what the customers of the start pay at the end, with upgrades and without new customers."),
    some && h("p", { class: "quiet" }, "* Provisional: whoever is missing may still come back within the days that count as a pause."));
}

/** The share of subscriptions that last longer than some durations. */
export function retention({ retention: { durations, groups } }) {
  if (groups.length === 0 || durations.length === 0) return undefined;
  const cell = ({ survival, low, high }) => [percent(survival), low !== null && h("small", { class: "interval" }, `${percent(low)} to ${percent(high)}`)].filter(Boolean);
  return card("How long customers stay",
    table("Share still there", ["Subscriptions", "Count", ...durations.map((days) => `After ${NAMES[days]}`)],
      groups.map(({ group, spells, points }) => [group ?? "All", count(spells), ...points.map((point) => h("td", { class: "number" }, point ? cell(point) : dash))]), { id: "retention" }),
    h("p", { class: "quiet" }, "The share of subscriptions that last longer (Kaplan–Meier), with the 95 % interval below. Those that still run count for as long as they have been seen."));
}

/** The definition of churn in a sentence. */
export const meaning = ({ model }) => card("What churn means here", h("p", {}, model.definition),
  h("p", { class: "quiet" }, `Over all that was learned from, ${percent(model.training.base_rate)} left.`));

/** The rows that were read, and the rows that were refused. */
export function reading({ read }) {
  const facts = [
    ["Rows", count(read.rows)], ["Used", count(read.good)], ["Left out", count(read.bad + read.ignored + read.outside)], ["Periods", count(read.periods)], ["Customers", count(read.customers)],
    ["From", read.first_day], ["Known up to", read.last_day],
  ];
  return card("What was read",
    table("What was read", facts.map(([name]) => name), [facts.map(([, value]) => value)]),
    read.ignored > 0 && h("p", { class: "quiet" }, `${plural(read.ignored, "row")} left out: blank, without a day, or no period of this export.`),
    read.outside > 0 && h("p", { class: "quiet" }, `${plural(read.outside, "row")} left out, because they start after ${read.last_day}.`),
    read.bad > 0 && badRows(read));
}
