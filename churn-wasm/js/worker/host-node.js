// For a thread of one's own in Node: `serve({ mine })` answers the package's calls, and by `call` one's own functions.
import { parentPort } from "node:worker_threads";
import * as api from "../full/node.js";
import { serve as serveOn } from "./host.js";

/** Answers the calls of whoever started this thread. */
export function serve(own) {
  const port = {
    post: (message, transfer) => parentPort.postMessage(message, transfer),
    listen: (receive) => parentPort.on("message", receive),
  };
  serveOn(port, api, own);
}
