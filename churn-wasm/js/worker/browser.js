// The package in a Web Worker.
import { startClient } from "./client.js";

export { ChurnError } from "../js/error.js";

/** Starts the worker. `worker` creates a custom worker, whose script calls `serve`. */
export function startWorker({ worker = ours, ...options } = {}) {
  return startClient(() => {
    const started = worker();
    return {
      post: (message, transfer) => started.postMessage(message, transfer),
      listen: (receive, fail) => {
        started.onmessage = ({ data }) => receive(data);
        started.onmessageerror = () => fail(new Error("a message could not be read"));
        started.onerror = (event) => {
          event.preventDefault?.();
          fail(new Error(event.message || "the script of the worker cannot be loaded"));
        };
      },
      terminate: () => started.terminate(),
    };
  }, options);
}

/** Bundlers look for an expression of this form. */
const ours = () => new Worker(new URL("./thread-browser.js", import.meta.url), { type: "module" });
