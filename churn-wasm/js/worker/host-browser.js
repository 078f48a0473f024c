// For a Web Worker of one's own: `serve({ mine })` answers the package's calls, and by `call` one's own functions.
import * as api from "../full/browser.js";
import { serve as serveOn } from "./host.js";

/** Answers the calls of whoever started this worker. */
export function serve(own) {
  const port = {
    post: (message, transfer) => self.postMessage(message, transfer),
    listen: (receive) => {
      self.onmessage = ({ data }) => receive(data);
    },
  };
  serveOn(port, api, own);
}
