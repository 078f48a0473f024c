// For a custom thread in Node: `serve({ mine })` answers the package's calls, and calls of custom functions made with `call`.
import { parentPort } from "node:worker_threads";
import * as api from "../full/node.js";
import { serve as serveOn } from "./host.js";

/** Answers the calls of the client that started this thread. */
export function serve(own) {
  const port = {
    post: (message, transfer) => parentPort.postMessage(message, transfer),
    listen: (receive) => parentPort.on("message", receive),
  };
  serveOn(port, api, own);
}
