// Settings of the organization: reading of files, thresholds of the risk bands, costs of contacting; and the API keys.
import { at, get, patch, post, remove } from "./api.js";
import { actions, button, cell, grid } from "./data.js";
import { by, card, h } from "./dom.js";
import { ask, complain, doing, field, fill, keepRows, nothing, option, say, state, time } from "./parts.js";

export async function settings(view) {
  const { org, root, signal } = view;
  const path = at`organizations/${org}`;
  let current;
  try {
    current = (await get(path, {}, signal)).settings;
  } catch (error) {
    if (error.code !== "organization_not_found") throw error;
    root.replaceChildren(h("section", { class: "card" }, nothing("The organization comes into being with its first upload.")));
    return;
  }
  const save = async (changes) => {
    current = (await patch(`${path}/settings`, changes)).settings;
    say("Saved.");
  };
  root.replaceChildren(...[reading, bands, worth].map((form) => form(current, save)), await keys(view));
}

/** A separate form with its own button. `values` returns the settings to save. */
function form(title, words, fields, save, values) {
  const done = h("span", { class: "quiet", role: "status" });
  const made = h("form", { class: "card", oninput: () => (done.textContent = ""), onsubmit: doing("Nothing was changed.", async () => {
    await save(values(Object.fromEntries(new FormData(made))));
    done.textContent = "Saved.";
  }) },
    h("h2", {}, title), h("p", { class: "quiet" }, words), h("div", { class: "fields" }, fields),
    h("p", { class: "buttons" }, h("button", { class: "button primary" }, "Save"), done));
  return made;
}

const text = (id, label, value, attributes) => field(id, label, h("input", { id, name: id, type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false", ...attributes }));
const number = (id, label, value, attributes) => field(id, label, h("input", { id, name: id, type: "number", value, required: true, step: "any", ...attributes }));

const COLUMNS = [["customer_id", "Customer"], ["event_date", "Date"], ["amount", "Amount"], ["event_type", "Kind of event"], ["order_id", "Order"]];

function reading({ read }, save) {
  return form("How files are read", "The names of the columns, where they differ from ours, and what a row does that cannot be read.", [
    COLUMNS.map(([name, label]) => text(name, `${label}: ${name}`, read.columns[name], { placeholder: name })),
    text("date_format", "Dates, if not 2025-12-31", read.date_format, { placeholder: "%d/%m/%Y" }),
    text("delimiter", "Between fields", read.delimiter === "\t" ? "tab" : read.delimiter, { required: true, maxlength: 3 }),
    field("on_bad_row", "A bad row", h("select", { id: "on_bad_row", name: "on_bad_row" }, option("fail", "refuses the file", read.on_bad_row === "fail"), option("skip", "is left out and counted", read.on_bad_row === "skip"))),
    number("max_bad_share", "Left out at most, in %", percents(read.max_bad_share), { min: 0, max: 100 }),
    field("merge", "One event", h("select", { id: "merge", name: "merge" }, option("none", "an order, or else a row", read.merge !== "day"), option("day", "all rows of a customer, day and kind", read.merge === "day"))),
  ], save, (given) => ({ read: {
    columns: { ...read.columns, ...Object.fromEntries(COLUMNS.map(([name]) => [name, given[name] || null])) },
    date_format: given.date_format || null, delimiter: given.delimiter === "tab" ? "\t" : given.delimiter,
    on_bad_row: given.on_bad_row, max_bad_share: Number(given.max_bad_share) / 100, merge: given.merge,
  } }));
}

const percents = (share) => Number((100 * share).toPrecision(12));

function bands({ thresholds }, save) {
  const names = [["medium", "Medium from, in %"], ["high", "High from, in %"], ["critical", "Critical from, in %"]];
  return form("Risk bands", "Predictions go by them at once; batches that are scored already keep theirs.",
    names.map(([name, label]) => number(name, label, percents(thresholds[name]), { min: 0, max: 100 })),
    save, (given) => ({ thresholds: Object.fromEntries(names.map(([name]) => [name, Number(given[name]) / 100])) }));
}

function worth({ campaign }, save) {
  return form("What contacting a customer is worth", "The expected profit of a customer follows from these.", [
    number("clv", "A customer who stays is worth", campaign.clv, { min: 0 }),
    number("incentive_cost", "The incentive costs", campaign.incentive_cost, { min: 0 }),
    number("contact_cost", "The contact costs", campaign.contact_cost, { min: 0 }),
    number("success_rate", "Of those who would leave it keeps, in %", percents(campaign.success_rate), { min: 0, max: 100 }),
  ], save, (given) => ({ campaign: {
    clv: Number(given.clv), incentive_cost: Number(given.incentive_cost), contact_cost: Number(given.contact_cost), success_rate: Number(given.success_rate) / 100,
  } }));
}

async function keys(view) {
  const path = at`organizations/${view.org}/api-keys`;
  const rows = h("tbody", {});
  const none = nothing("There are no keys.");
  const older = h("p", { class: "quiet" });
  async function refresh() {
    const { api_keys: found, total } = await get(path, { limit: 50 }, view.signal);
    keepRows(rows, found, (key) => key.key_id, (key) => h("tr", {},
      h("th", { scope: "row", class: "wrap" }, h("span", {}, key.name)), cell("Key", h("code", {}, `${key.prefix}…`)), cell("Role", key.role),
      cell("Made", time(key.created_at)), cell("Until", key.expires_at ? time(key.expires_at) : "–"), cell("State", state(key.revoked_at ? "revoked" : "active")),
      actions(!key.revoked_at && button("Revoke", doing("The key was not revoked.", async () => {
        if (!(await ask("Revoke this key?", h("p", {}, `${key.name}. Whoever uses it is refused from now on.`), "Revoke"))) return;
        await remove(at`organizations/${view.org}/api-keys/${key.key_id}`);
        await refresh();
      })))));
    fill(rows, none, older, total);
  }
  const section = card("API keys", h("p", { class: "quiet" }, "For programs. A key opens this organization alone."), none,
    grid("API keys", "keys", ["Name", "Key", "Role", "Made", "Until", "State", ""], rows), older,
    h("p", { class: "buttons" }, button("New key", doing("No key was made.", async () => {
      const given = await ask("New key", h("div", { class: "fields" },
        text("key-name", "Name", "", { required: true, maxlength: 200 }),
        field("key-role", "Role", h("select", { id: "key-role", name: "key-role" }, option("read", "read: look, and predict one customer"), option("write", "write: also upload, train and score"), option("admin", "admin: also settings, keys and versions"))),
        field("key-end", "Until, if it is to end", h("input", { id: "key-end", name: "key-end", type: "date" }))), "Make it");
      if (!given) return;
      const made = await post(path, { name: given["key-name"], role: given["key-role"], expires_at: given["key-end"] ? `${given["key-end"]}T00:00:00Z` : null });
      await refresh().catch((error) => complain(error));
      const shown = h("input", { id: "key", type: "text", readonly: true, value: made.key, onfocus: ({ target }) => target.select() });
      ask("The new key", h("div", {}, h("p", {}, "It is shown this once: the server keeps no more than its digest."), field("key", made.name, shown)), "I have it");
      by("key").focus();
    }))));
  await refresh();
  return section;
}
