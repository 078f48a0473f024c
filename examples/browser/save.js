// Saving what the worker makes. Not in results.js, which the server's dashboard uses too, and which has no worker.
import { call } from "./client.js";
import { download, h } from "./dom.js";

/** A button that saves a file, which the worker makes. */
export const saveButton = (what, name, words, complain) => h("button", { type: "button", class: "button", "data-save": what, onclick: async ({ target }) => {
  target.disabled = true;
  try {
    download(await call("save", [what]), name);
  } catch (error) {
    complain(error);
  } finally {
    target.disabled = false;
  }
} }, words);
