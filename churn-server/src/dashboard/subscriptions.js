// Subscriptions: how a file of periods was read, and the customers and movements behind a batch.
import { at, file, get } from "./api.js";
import { card, download, h } from "./dom.js";
import { doing, field } from "./parts.js";
import { count, money, percent } from "./words.js";

/** The causes of leaving in words. */
export const CAUSES = { voluntary: "cancellation", involuntary: "failed payment", trial_not_converted: "trial not converted", other: "other" };

const COLUMNS = [
  ["customer_id", "Customer"], ["start_date", "First day"], ["end_date", "First day after the period"], ["plan", "Plan"], ["amount", "Amount per month"],
  ["known_at", "Day on which the end became known"], ["end_reason", "Why it ended"], ["subscription_id", "Subscription"], ["trial", "Trial"],
];

/** How a file of subscriptions was read. */
export const readPanel = (name, { message }) => [h("div", { class: "found", role: "group", "aria-label": `How ${name} is read` },
  h("p", {}, h("strong", {}, message), ". A row is a period from the first day to the day before its end. What was not known on a day is not used for it."))];

/** A form that names the columns of a file whose own names are not known. `answer(options)` sends the file again. */
export function columnForm(name, error, answer) {
  return h("div", { class: "alert questions", role: "group", "aria-label": `Columns of ${name}` },
    h("h2", {}, `Which columns has ${name}?`), h("p", {}, error.message),
    h("form", { onsubmit: (event) => {
      event.preventDefault();
      const given = [...new FormData(event.currentTarget)].map(([column, text]) => [column, text.trim()]).filter(([, text]) => text !== "");
      if (given.length > 0) answer({ columns: Object.fromEntries(given) });
    } },
    h("div", { class: "fields" }, COLUMNS.map(([id, label]) => field(`period-${id}`, label, h("input", { id: `period-${id}`, name: id, type: "text", autocomplete: "off", placeholder: id })))),
    h("p", { class: "buttons" }, h("button", { class: "button small" }, "Send it again"))));
}

/** The choice of the usage events, from the data sets of events. */
export function usageField(id, datasets) {
  const events = datasets.filter((one) => one.kind === "events" && one.status !== "error");
  if (events.length === 0 || !datasets.some((one) => one.kind === "subscriptions")) return false;
  return field(id, "Usage events of the subscribers", h("select", { id, name: "usage_dataset_id" }, h("option", { value: "" }, "none"),
    events.map((one) => h("option", { value: one.dataset_id }, `${one.filename ?? "a file"}, ${count(one.row_count)} rows`))));
}

/** The probabilities of the causes, the likeliest first, in words. */
export const causeList = (causes) => Object.entries(causes).sort(([, a], [, b]) => b - a).map(([name, p]) => `${CAUSES[name] ?? name} ${percent(p)}`).join(", ");

const row = (name, ...cells) => h("tr", {}, h("th", { scope: "row" }, name), cells.map((cell) => h("td", { class: "number" }, cell)));
const grid = (caption, head, rows) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
  h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, head.map((name, i) => h("th", { scope: "col", class: i > 0 && "number" }, name)))), h("tbody", {}, rows)));

/** The card of the subscriptions that a batch scored: the customers by status, the lists, and the movements by month. */
export async function subscriptionCard({ org, signal }, batch) {
  const path = at`organizations/${org}/datasets/${batch.dataset_id ?? ""}`;
  const lists = [
    h("button", { type: "button", class: "button", onclick: doing("The list cannot be downloaded.", async () =>
      download(await file(at`organizations/${org}/prediction-batches/${batch.batch_id}/dunning`), `dunning_${batch.batch_id}.csv`)) }, "A payment may fail (CSV)"),
  ];
  const { covered, already_cancelled: cancelled = 0, not_active: gone = 0, not_due: later = 0 } = batch.coverage;
  const counted = [["Active", covered], ...(later > 0 ? [["Active, renewal not due", later]] : []), ["Already cancelled, still running", cancelled], ["Not active", gone]];
  const found = batch.dataset_id && await Promise.all([
    get(`${path}/customer-base`, { as_of: batch.as_of }, signal), get(`${path}/movements`, { as_of: batch.as_of }, signal),
  ]).catch((error) => {
    // The data set was deleted.
    if (error.status === 404) return undefined;
    throw error;
  });
  if (!found) return card("Subscriptions", grid("Customers by status", ["Status", "Customers"], counted.map(([name, customers]) => row(name, count(customers)))), h("p", { class: "buttons" }, lists));
  const [base, { months }] = found;
  lists.unshift(h("button", { type: "button", class: "button", onclick: doing("The list cannot be downloaded.", async () =>
    download(await file(`${path}/already-cancelled?as_of=${batch.as_of}`), `already_cancelled_${batch.as_of}.csv`)) }, "Already cancelled (CSV)"));
  // The amounts are those of all active customers, also of those whose renewal is not due.
  const amounts = { ...(later > 0 ? {} : { Active: base.active_amount }), "Already cancelled, still running": base.already_cancelled_amount };
  const priced = base.active_amount + base.already_cancelled_amount > 0;
  const shown = months.slice(-12).reverse();
  const of = (month) => (priced ? month.amounts : month.customers);
  const number = priced ? money : count;
  return card("Subscriptions",
    h("p", { class: "quiet" }, `On ${base.as_of}. Those who have already cancelled are known to leave, so they are on no list by risk but on one of their own.`),
    grid("Customers by status", ["Status", "Customers", ...(priced ? ["Amount per month"] : [])],
      counted.map(([name, customers]) => row(name, count(customers), ...(priced ? [name in amounts ? money(amounts[name]) : "–"] : [])))),
    h("p", { class: "buttons" }, lists),
    shown.length > 0 && [h("h3", {}, priced ? "Amounts per month, month by month" : "Customers month by month"),
      grid("Movements by month", ["Month", "Start", "New", "Grown", "Back", "Shrunk", "Left", "End", "Customers lost"], shown.map((month) => {
        const { start, new: came, expansion, reactivation, contraction, churn, end } = of(month);
        return row(month.month.slice(0, 7) + (month.provisional ? "*" : ""), ...[start, came, expansion, reactivation, contraction, churn, end].map(number),
          month.customer_churn_rate === null ? "–" : percent(month.customer_churn_rate));
      })),
      shown.some((month) => month.provisional) && h("p", { class: "quiet" }, "* Customers who are missing may still come back in time.")]);
}
