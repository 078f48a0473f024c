// For a custom Web Worker: `serve({ mine })` answers the package's calls, and calls of custom functions made with `call`.
import * as api from "../full/browser.js";
import { serve as serveOn } from "./host.js";

/** Answers the calls of the client that started this worker. */
export function serve(own) {
  const port = {
    post: (message, transfer) => self.postMessage(message, transfer),
    listen: (receive) => {
      self.onmessage = ({ data }) => receive(data);
    },
  };
  serveOn(port, api, own);
}
