// The campaign: a budget, the customers to contact, and the expected profit.
import * as charts from "./charts.js";
import { call } from "./client.js";
import { card, download, h } from "./dom.js";
import { count, money, percent, plural } from "./words.js";

export function campaign({ today }) {
  const field = (name, label, value, attributes) => h("div", { class: "field" },
    h("label", { for: name }, label), h("input", { id: name, name, type: "number", value, min: "0", step: "any", required: true, ...attributes }));
  const answer = h("div", { role: "status", "aria-live": "polite" });
  const chart = h("figure", {});
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    show();
  } },
    h("div", { class: "fields" },
      field("contact_cost", "A contact costs", "1"), field("incentive_cost", "An incentive costs", "10"),
      field("success", "It keeps, of those who would leave, %", "30", { max: "100" }),
      !today.has_values && field("clv", "A customer who stays is worth", "200"),
      field("budget", "Budget (empty for none)", "", { required: false }),
      h("div", {}, h("button", { class: "button" }, "Work it out"))));

  const save = (group, name, customers, words) =>
    h("button", { type: "button", class: "button", disabled: customers === 0, onclick: async () => download(await call("save", [group]), name) }, words);

  async function show() {
    const given = Object.fromEntries(new FormData(form));
    const config = {
      contact_cost: Number(given.contact_cost), incentive_cost: Number(given.incentive_cost), success_rate: Number(given.success) / 100,
      clv: Number(given.clv ?? 200), budget: given.budget === "" ? null : Number(given.budget),
    };
    try {
      const found = await call("campaign", [config]);
      answer.replaceChildren(
        h("p", {}, found.contacts === 0
          ? "Contacting nobody is best: it would cost more than it is expected to keep."
          : `Contact ${plural(found.contacts, "customer")} and leave ${count(found.controls)} alone, drawn at random, to see afterwards what it changed. It costs at most ${money(found.reserved_budget)} and is expected to earn ${money(found.expected_profit)}.`),
        h("p", { class: "buttons" }, save("contact", "contacts.csv", found.contacts, "Save the contact list"), save("control", "controls.csv", found.controls, "Save those to leave alone")));
      chart.replaceChildren(charts.profitCurve(found.curve), h("figcaption", {}, `Without a budget, contacting ${percent(found.curve.best.share)} of the customers is best.`));
    } catch (error) {
      answer.replaceChildren(h("p", {}, error.message));
    }
  }
  show();
  return card("What to do about it",
    h("p", { class: "quiet" }, today.has_values && today.ofPeriods
      ? "A customer who is kept is taken to be worth what they pay in a year. Those who have already cancelled are not on this list."
      : today.has_values
      ? "A customer who is kept is taken to be worth what they spent in the last 365 days."
      : "The file has no amounts, so every customer who is kept is taken to be worth the same."),
    form, h("div", { class: "pair" }, answer, chart));
}
