// The dashboard: sign-in, the organization, and the current part. All its data comes from the API.
import { get, post, token, whenRefused } from "./api.js";
import { customers } from "./customers.js";
import { data } from "./data.js";
import { by, h } from "./dom.js";
import { models } from "./models.js";
import { ask, complain, doing, field, nothing, quiet } from "./parts.js";
import { settings } from "./settings.js";

const PARTS = { customers, models, data, settings };
const ROLES = ["read", "write", "admin"];

// The session, its organizations, and the function that ends the current part.
let session;
let organizations = [];
let leave = new AbortController();

const decode = (text) => {
  try {
    return decodeURIComponent(text ?? "");
  } catch {
    return "";
  }
};
/** The address holds the organization and the part, so that it can be saved and shared: #acme/models. */
const place = () => location.hash.slice(1).split("/").map(decode);
const address = (org, part) => `#${encodeURIComponent(org)}/${part}`;

async function start() {
  leave.abort();
  try {
    session = await get("session");
  } catch (error) {
    frame(false);
    if (error.status === 401) signIn(token.get() ? error : undefined);
    else {
      by("view").replaceChildren(nothing(error.message, h("button", { type: "button", class: "button", onclick: start }, "Try again")));
    }
    ready();
    return;
  }
  await listOrganizations();
  frame(true);
  show();
}

async function listOrganizations() {
  try {
    organizations = (await get("organizations", { limit: 1000 })).organizations;
  } catch (error) {
    organizations = [];
    complain(error, "The organizations cannot be listed.");
  }
  // The organization of a token may not exist yet: its first upload creates it.
  if (organizations.length === 0 && session.organization_id && session.organization_id !== "*") organizations = [{ organization_id: session.organization_id }];
}

/** The frame around the parts. */
function frame(signedIn) {
  by("account").hidden = by("parts").hidden = !signedIn;
  if (!signedIn) return;
  by("sign-out").hidden = session.auth === "open";
  by("new-organization").hidden = !(session.role === "admin" && session.organization_id === "*");
  by("browser-page").hidden = !session.browser_page;
  by("organization").replaceChildren(...organizations.map(({ organization_id: id, name }) => h("option", { value: id, title: id }, name && name !== id ? `${name} (${id})` : id)));
  by("organization").disabled = organizations.length < 2;
}

function show() {
  if (!session) return;
  leave.abort();
  leave = new AbortController();
  quiet();
  by("dialog").close();
  const [asked, part] = place();
  if (organizations.length === 0) {
    by("parts").hidden = by("account").querySelector(".field").hidden = true;
    firstOrganization();
    ready();
    return;
  }
  by("parts").hidden = by("account").querySelector(".field").hidden = false;
  const org = organizations.some((one) => one.organization_id === asked) ? asked : organizations[0].organization_id;
  const admin = session.role === "admin";
  const name = Object.hasOwn(PARTS, part) && (part !== "settings" || admin) ? part : "customers";
  if (asked !== org || part !== name) history.replaceState(null, "", address(org, name));
  by("organization").value = org;
  for (const link of by("parts").querySelectorAll("[data-part]")) {
    link.hidden = link.dataset.part === "settings" && !admin;
    link.href = address(org, link.dataset.part);
    if (link.dataset.part === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${org}: ${name}, churn`;
  const root = h("div", { class: "part", "aria-busy": "true" });
  by("view").replaceChildren(root);
  const view = {
    org, root, signal: leave.signal,
    may: (role) => ROLES.indexOf(session.role) >= ROLES.indexOf(role),
    go: (part) => (location.hash = address(org, part)),
  };
  PARTS[name](view).catch((error) => {
    if (!view.signal.aborted) {
      complain(error, "This cannot be shown.");
      root.replaceChildren(nothing("The server did not give what belongs here.", h("button", { type: "button", class: "button", onclick: show }, "Try again")));
    }
  }).finally(() => {
    root.removeAttribute("aria-busy");
    ready();
  });
}

function signIn(refused) {
  session = undefined;
  const input = h("input", { id: "token", type: "password", name: "token", autocomplete: "current-password", spellcheck: "false", required: true });
  const form = h("form", { class: "card narrow", onsubmit: doing("You are not signed in.", async () => {
    token.set(input.value.trim());
    await start();
  }) },
    h("h2", {}, "Sign in"),
    h("p", { class: "quiet" }, "With a token of your organization: an API key that begins with churn_, or a JSON Web Token. It is kept in this tab until you close it, and goes to this server alone."),
    field("token", "Token", input),
    refused && h("p", { class: "alert", role: "alert" }, refused.details?.reason === "expired" ? "This token has expired. Ask for a new one." : "The server does not accept this token."),
    h("p", { class: "buttons" }, h("button", { class: "button primary" }, "Sign in")));
  if (refused) token.set("");
  by("view").replaceChildren(form);
  input.focus();
}

function firstOrganization() {
  const may = session.role === "admin";
  by("view").replaceChildren(h("section", { class: "card" }, nothing(
    may ? "There is no organization yet. Each has data, models and predictions of its own." : "There is no organization that you may see.",
    may && h("button", { type: "button", class: "button primary", onclick: createOrganization }, "Make the first one"))));
}

const createOrganization = doing("The organization was not made.", async () => {
  const made = await ask("New organization", h("div", { class: "fields" },
    field("new-id", "Id: letters, digits, - and _", h("input", { id: "new-id", name: "organization_id", type: "text", required: true, pattern: "[A-Za-z0-9_\\-]{1,64}", autocomplete: "off" })),
    field("new-name", "Name", h("input", { id: "new-name", name: "name", type: "text", autocomplete: "off" }))), "Make it");
  if (!made) return;
  const { organization_id: id } = await post("organizations", { organization_id: made.organization_id, ...(made.name ? { name: made.name } : {}) });
  await listOrganizations();
  frame(true);
  const next = address(id, "data");
  if (location.hash === next) show();
  else location.hash = next;
});

const ready = () => document.documentElement.setAttribute("data-ready", "");

by("organization").onchange = ({ target }) => (location.hash = address(target.value, place()[1] || "customers"));
by("new-organization").onclick = createOrganization;
by("sign-out").onclick = () => {
  token.set("");
  start();
};
by("skip").onclick = (event) => {
  event.preventDefault();
  by("main").focus();
};
window.addEventListener("hashchange", show);
// If the token expires while the page is open, the sign-in form is shown again.
whenRefused(start);
start();
