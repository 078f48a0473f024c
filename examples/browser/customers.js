// The customers: a list that is sorted, searched and paged in the worker, and a dialog with the details of one customer.
import * as charts from "./charts.js";
import { call } from "./client.js";
import { band, by, card, h, reasonList, sharedReason, table } from "./dom.js";
import { causes, count, decimal, money, percent } from "./words.js";

const PAGE = 15;

/** The list as a separate card. */
export function customerList({ today }) {
  const view = { sort: today.has_values ? "value_at_risk" : "churn_probability", descending: true, segment: "", search: "", offset: 0, count: PAGE };
  const columns = [
    ["customer_id", "Customer"], ["risk_segment", "Band"], ["churn_probability", "Risk"],
    ...(today.has_causes ? [["cause", "Cause"]] : []),
    ...(today.has_values ? [["value", today.ofPeriods ? "A month" : "Value"], ["value_at_risk", today.ofPeriods ? "At risk" : "Value at risk"]] : []),
    ...(today.ofPeriods ? [] : [["days_since_last", "Days silent"]]), ["reasons", "Why"],
  ];
  const sortable = new Set(["customer_id", "churn_probability", "value", "value_at_risk", "days_since_last"]);
  const body = h("tbody", {});
  const note = h("span", { role: "status", "aria-live": "polite" });
  const common = h("div", { class: "shared" });
  const heads = columns.map(([key, name]) => h("th", { scope: "col", class: key === "reasons" ? "wide" : key === "cause" ? "cause" : sortable.has(key) && key !== "customer_id" ? "number" : undefined },
    sortable.has(key) ? h("button", { type: "button", class: "sort", "data-key": key, onclick: () => sortBy(key) }, name) : name));
  const earlier = h("button", { type: "button", class: "button small", onclick: () => move(-PAGE) }, "Earlier");
  const later = h("button", { type: "button", class: "button small", onclick: () => move(PAGE) }, "Later");

  function sortBy(key) {
    view.descending = view.sort === key ? !view.descending : key !== "customer_id";
    view.sort = key;
    view.offset = 0;
    show();
  }
  function move(by) {
    view.offset = Math.max(0, view.offset + by);
    show();
  }
  // Results of older requests are not shown.
  let asked = 0;
  async function show() {
    const mine = ++asked;
    heads.forEach((head, i) => {
      const active = columns[i][0] === view.sort;
      if (sortable.has(columns[i][0])) head.setAttribute("aria-sort", active ? (view.descending ? "descending" : "ascending") : "none");
      const button = head.querySelector("button");
      if (!button) return;
      button.toggleAttribute("data-active", active);
      button.textContent = columns[i][1] + (active ? (view.descending ? " ▾" : " ▴") : "");
    });
    const { total, shared, rows } = await call("page", [view]);
    if (mine !== asked) return;
    common.replaceChildren(...sharedReason(shared));
    const cell = (row) => ([key, name]) => {
      switch (key) {
        case "customer_id": return h("th", { scope: "row" }, h("button", { type: "button", class: "who", onclick: () => open(row.customer_id, today) }, row.customer_id));
        case "risk_segment": return h("td", {}, band(row.risk_segment));
        case "cause": return h("td", { class: "cause", "data-name": name }, causes[row.cause.cause], h("small", { class: "interval" }, percent(row.cause.p)));
        case "reasons": return h("td", { class: "wide" }, reasonList(row.reasons.slice(0, 2)));
        case "churn_probability": return h("td", { class: "number", "data-name": name }, percent(row[key]));
        case "days_since_last": return h("td", { class: "number", "data-name": name }, count(row[key]));
        default: return h("td", { class: "number", "data-name": name }, money(row[key]));
      }
    };
    body.replaceChildren(...rows.map((row) => h("tr", {}, columns.map(cell(row)))));
    note.textContent = total === 0 ? "No such customer" : `${count(view.offset + 1)} to ${count(view.offset + rows.length)} of ${count(total)}`;
    earlier.disabled = view.offset === 0;
    later.disabled = view.offset + rows.length >= total;
  }

  const filter = (key) => (event) => {
    view[key] = event.target.value;
    view.offset = 0;
    show();
  };
  const section = card("Your customers",
    h("div", { class: "tools" },
      h("div", { class: "field" }, h("label", { for: "search" }, "Find a customer"), h("input", { id: "search", type: "search", autocomplete: "off", spellcheck: "false", oninput: filter("search") })),
      h("div", { class: "field" }, h("label", { for: "band" }, "Risk band"), h("select", { id: "band", onchange: filter("segment") }, h("option", { value: "" }, "All"), ["Critical", "High", "Medium", "Low"].map((name) => h("option", { value: name }, name))))),
    common,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Customers" },
      h("table", { id: "list", class: "people" }, h("caption", { class: "unseen" }, "Customers with their risk and the reasons for it"), h("thead", {}, h("tr", {}, heads)), body)),
    h("div", { class: "pager" }, note, h("span", { class: "buttons" }, earlier, later)));
  show();
  return section;
}

/** One customer in a dialog. */
export async function open(id, today) {
  const dialog = by("customer");
  const one = await call("customer", [id]);
  const answer = h("p", { class: "answer", role: "status", "aria-live": "polite" });
  const say = (p, name) => answer.replaceChildren(`The risk would be ${percent(p)} instead of ${percent(one.churn_probability)}: `, band(name));

  const number = (id, label, value, attributes) => h("div", { class: "field" }, h("label", { for: id }, label), h("input", { id, type: "number", value, required: true, ...attributes }));
  const typical = one.events?.find((event) => event.amount > 0)?.amount ?? 50;
  const buying = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    const { times, paid } = Object.fromEntries(new FormData(buying));
    const type = one.events.find((known) => known.amount > 0)?.event_type ?? null;
    const bought = { event_date: one.as_of, amount: today.has_values ? Number(paid) : null, event_type: type };
    const { churn_probability: p, risk_segment } = await call("whatIf", [{ id, as_of: one.as_of, events: Array(Number(times)).fill(bought) }]);
    say(p, risk_segment);
  } },
    h("div", { class: "fields" },
      number("times", "Events today", "1", { name: "times", min: "1", max: "50" }),
      today.has_values && number("paid", "Amount of each", typical.toFixed(2), { name: "paid", min: "0", step: "0.01" }),
      h("div", {}, h("button", { class: "button" }, "What if?"))));
  const select = h("select", { id: "feature", name: "feature" }, one.features.map((feature) => h("option", { value: feature.name }, feature.name.replaceAll("_", " "))));
  // A number, or one of the levels of a category such as the plan.
  const setting = ({ value, levels }) => (levels
    ? h("div", { class: "field" }, h("label", { for: "to" }, "would be"), h("select", { id: "to", name: "to" }, levels.map((level, i) => h("option", { value: level, selected: i === value }, level))))
    : number("to", "would be", decimalInput(value), { name: "to", step: "any" }));
  const changed = () => one.features.find((feature) => feature.name === select.value);
  let would = setting(one.features[0]);
  select.onchange = () => {
    const next = setting(changed());
    would.replaceWith(next);
    would = next;
  };
  const changing = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    const { feature, to } = Object.fromEntries(new FormData(changing));
    const { churn_probability: p, risk_segment } = await call("whatIf", [{ id, changes: { [feature]: changed().levels ? to : Number(to) } }]);
    say(p, risk_segment);
  } },
    h("div", { class: "fields" }, h("div", { class: "field" }, h("label", { for: "feature" }, one.periods ? "If this feature" : "or if this feature"), select), would, h("div", {}, h("button", { class: "button" }, "What if?"))));

  dialog.replaceChildren(...[
    h("div", { class: "top" }, h("h2", { id: "customer-title" }, one.customer_id), h("button", { type: "button", class: "button small", onclick: () => dialog.close() }, "Close")),
    h("p", {}, h("span", { class: "risk" }, percent(one.churn_probability)), " ", band(one.risk_segment)),
    one.causes?.length > 0 && h("p", { class: "quiet" }, `Most likely by ${[...one.causes].sort((a, b) => b[1] - a[1]).map(([cause, p]) => `${causes[cause]} (${percent(p)})`).join(", ")}.`),
    h("h3", {}, "Why"), reasonList(one.reasons),
    h("figure", {}, charts.contributions(one.features)),
    h("h3", {}, one.periods ? "What if something were different?" : "What if this customer came back today?"), !one.periods && buying, changing, answer,
    one.changes.length > 0 && [h("h3", {}, "The smallest changes that take them a band lower"),
      h("ul", { class: "reasons" }, one.changes.map((change) => h("li", {}, h("b", { class: "down", "aria-hidden": "true" }, "▼"), `${change.steps.map((step) => step.text.replaceAll("_", " ")).join(" and ")}: ${percent(change.churn_probability)}`)))],
    one.periods && h("h3", {}, `Latest of ${count(one.periods.length)} ${one.periods.length === 1 ? "period" : "periods"}`),
    one.periods && table("Latest periods", ["From", "To", "Plan", "Amount a month"], one.periods.slice(0, 8).map((period) => [
      period.start_date, period.end_date ?? "runs", h("td", {}, period.trial ? "trial" : period.plan ?? ""), period.amount === null ? "" : decimal(period.amount, 2)])),
    one.events && h("h3", {}, `Latest of ${count(one.event_count)} events`),
    one.events && table("Latest events", ["Day", "Kind", "Amount"], one.events.map((event) => [event.event_date, h("td", {}, event.event_type ?? ""), event.amount === null ? "" : decimal(event.amount, 2)])),
  ].flat().filter(Boolean));
  dialog.showModal();
  dialog.scrollTop = 0;
}

const decimalInput = (value) => (Number.isNaN(value) ? "" : String(Number(value.toPrecision(6))));
