// The form for a file of subscriptions: from when to when each customer had a contract.
import { presetOf } from "./client.js";
import { h } from "./dom.js";

/** The columns of periods, with the words for them, and whether each is needed. */
const ROLES = [
  ["customer_id", "Customer", true], ["start_date", "First day", true], ["end_date", "End (empty while it runs)", false], ["known_at", "Cancelled on", false],
  ["end_reason", "Why it ended", false], ["plan", "Plan", false], ["amount", "Amount a month", false], ["subscription_id", "Subscription", false], ["trial", "Trial (true or false)", false],
];

/** The systems whose exports are known. */
const SYSTEMS = {
  stripe: "Stripe (subscriptions)", stripe_invoices: "Stripe (invoices)", recurly: "Recurly (subscriptions)", recurly_history: "Recurly (subscriptions history)",
  chargebee: "Chargebee (subscriptions)", chartmogul: "ChartMogul (MRR intervals)",
};

// The options of reading that both kinds of file have.
const SHARED = ["delimiter", "encoding", "skip_lines", "date_format", "decimal", "thousands", "currency", "null_values"];
// A build has to be loaded to ask for the export of a known system, so only headers are asked about that have one of these words.
const PERHAPS = /start|activated|created|period/i;

/** What is known of a file of subscriptions: `{ preset, columns, ends_known, inclusive_ends }`; undefined if it does not look like one. */
export async function recognised(file, { header, options, export: system }) {
  if (header.includes("customer_id") && header.includes("start_date")) return own(header, options);
  // An export of events may have the columns of one of subscriptions too, as that of Stripe's payments has.
  if (system !== null || !header.some((name) => PERHAPS.test(name))) return undefined;
  const preset = await presetOf(file, options);
  return preset && { preset, columns: {}, ends_known: "at_end", inclusive_ends: false };
}

/** The same for any file, because the visitor says so. Where the names are not those of the library, they are guessed: the visitor sees
 *  the guess and corrects it. */
export function own(header, options) {
  const free = new Set(header);
  const take = (role, words, found) => {
    const name = header.includes(role) ? role : found ?? header.find((one) => free.has(one) && words?.test(one));
    if (name) free.delete(name);
    return name ?? "";
  };
  const columns = {
    customer_id: take("customer_id", /customer|client|account/i, options.columns.customer_id ?? undefined),
    start_date: take("start_date", /start|begin|\bfrom\b|since/i),
    end_date: take("end_date", /\bend|until|expir|\bto\b/i),
    known_at: take("known_at", /cancel/i),
    end_reason: take("end_reason"), plan: take("plan"), amount: take("amount"), subscription_id: take("subscription_id"), trial: take("trial"),
  };
  return { columns, ends_known: "at_end", inclusive_ends: false };
}

/** The options by which the form of the dates and amounts of these columns is found out. */
export const looking = ({ preset, columns }) => (preset ? {} : {
  customer_id: columns.customer_id || undefined, event_date: columns.start_date || undefined, amount: columns.amount, event_type: "", order_id: "", churn_label: "",
});

/** The questions about a file that matter here: the meaning of the columns is asked for below. */
export const questions = (all) => all.filter(({ code }) => code === "date_format" || code === "number_format" || code === "encoding");

/** True if the file can be read. */
export const isComplete = ({ preset, columns }) => preset !== undefined || Boolean(columns.customer_id && columns.start_date);

/** The sentence on what was found. */
export const words = ({ preset }) => (preset
  ? `An export of ${SYSTEMS[preset]}: its columns are known.`
  : "Subscriptions: each row says from when to when a customer had a contract.");

/** The fields of the form. `change(values, columns)` takes a choice. */
export function fields(periods, header, field, change) {
  const { preset, columns, ends_known, inclusive_ends } = periods;
  const names = [...new Set(header)].filter((name) => name !== "");
  const role = ([key, label, needed]) => {
    const select = h("select", { id: `column-${key}`, onchange: () => change({}, { [key]: select.value }) },
      (!needed || !columns[key]) && h("option", { value: "" }, needed ? "choose a column" : "none"),
      names.map((name) => h("option", { value: name, selected: name === columns[key] }, name)));
    return field(select.id, label, select);
  };
  const choice = (id, label, value, options, take) => {
    const select = h("select", { id, onchange: () => change(take(select.value), {}) },
      options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)));
    return field(id, label, select);
  };
  return [
    ...(preset ? [] : ROLES.map(role)),
    // An invoice pays for a term, and an export knows what its ends mean.
    preset !== "stripe_invoices" && choice("ends-known", "An end is known", ends_known,
      [["at_end", "when cancelled or over"], ["at_start", "from the start (terms)"]], (value) => ({ ends_known: value })),
    !preset && columns.end_date && choice("inclusive-ends", "The end is", String(inclusive_ends),
      [["false", "the first day after"], ["true", "the last day"]], (value) => ({ inclusive_ends: value === "true" })),
  ].filter(Boolean);
}

/** The options for reading the periods, of what was found in the file and chosen. */
export function reading({ preset, columns, ends_known, inclusive_ends }, options) {
  const shared = Object.fromEntries(SHARED.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]));
  return preset ? { ...shared, preset, ends_known } : { ...shared, columns, ends_known, inclusive_ends };
}

/** True for an option that is found out in the same way for both kinds of file. */
export const isShared = (option) => SHARED.includes(option);

/** The columns that are used, to mark them in the preview. */
export const used = ({ columns }) => Object.values(columns);
