// The customers who are slipping away: those whose risk rose most, with the facts that changed.
import { band, card, h } from "./dom.js";
import { count, money, percent, plural } from "./words.js";

// The number of rows shown at first; the others are shown on request.
const SHOWN = 10;

const dayNumber = (day) => Math.round(Date.parse(day) / 86_400_000);

/** The list of the library. `open(customer_id)`, if given, shows the details of one customer; `worth` says what the value is. */
export function slippingAway({ as_of, before, customers }, open, worth = "Value at risk") {
  const days = dayNumber(as_of) - dayNumber(before);
  const valued = customers.some((one) => typeof one.value_at_risk === "number");
  const row = (one) => h("tr", {},
    h("th", { scope: "row" }, open ? h("button", { type: "button", class: "who", onclick: () => open(one.customer_id) }, one.customer_id) : h("span", { class: "who-is" }, one.customer_id)),
    h("td", {}, band(one.risk_segment)),
    h("td", { class: "number", "data-name": "Risk then" }, percent(one.probability_before)),
    h("td", { class: "number", "data-name": "Risk now" }, h("strong", {}, percent(one.churn_probability))),
    valued && h("td", { class: "number", "data-name": worth }, typeof one.value_at_risk === "number" ? money(one.value_at_risk) : "–"),
    h("td", { class: "wide" }, h("ul", { class: "reasons changes" }, one.changes.map((change) => h("li", {}, change)))));
  const body = h("tbody", {}, customers.slice(0, SHOWN).map(row));
  const more = customers.length > SHOWN && h("p", { class: "buttons" }, h("button", { type: "button", class: "button small", onclick: ({ target }) => {
    body.append(...customers.slice(SHOWN).map(row));
    target.closest("p").remove();
  } }, `Show all ${count(customers.length)}`));
  return card("Who is slipping away",
    customers.length === 0
      ? h("p", {}, "Nobody's risk rose.")
      : h("p", { class: "quiet" }, `The risk of these customers rose most in the ${plural(days, "day")} from ${before} to ${as_of}. Contact them first.`),
    customers.length > 0 && h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Customers who are slipping away" },
      h("table", { id: "slipping", class: "people" }, h("caption", { class: "unseen" }, "Customers whose risk rose most, with what changed"),
        h("thead", {}, h("tr", {}, ["Customer", "Band", "Risk then", "Risk now", ...(valued ? [worth] : []), "What changed"].map((name, i, all) =>
          h("th", { scope: "col", class: i === all.length - 1 ? "wide" : i > 1 ? "number" : undefined }, name)))),
        body)),
    more);
}
