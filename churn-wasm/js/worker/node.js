// The package in a thread of Node.
import { Worker } from "node:worker_threads";
import { startClient } from "./client.js";

export { ChurnError } from "../js/error.js";

/** Starts the thread. `worker` creates a custom thread, whose script calls `serve`. An idle thread does not keep the process
 *  alive. */
export function startWorker({ worker = ours, ...options } = {}) {
  return startClient(() => {
    const started = worker();
    let waiting = 0;
    const settle = (by) => {
      waiting += by;
      if (waiting > 0) started.ref();
      else started.unref();
    };
    return {
      post: (message, transfer) => {
        started.postMessage(message, transfer);
        if (message.id !== undefined) settle(1);
      },
      listen: (receive, fail) => {
        started.on("message", (message) => {
          if (!message.progress) settle(-1);
          receive(message);
        });
        started.on("messageerror", fail);
        started.on("error", fail);
        started.on("exit", (code) => fail(new Error(`the thread has ended with the code ${code}`)));
      },
      terminate: () => started.terminate(),
    };
  }, options);
}

const ours = () => new Worker(new URL("./thread-node.js", import.meta.url));
