// The worker as the page sees it: calls that return promises. Everything that takes time runs there.

let worker;
let calls = new Map();
let count = 0;
// Whoever is stopped is replaced from here: without a network there is nowhere else to get a worker from.
const STANDBY = 2;
const standby = [];
let module;

async function start() {
  module ??= WebAssembly.compileStreaming(fetch(new URL("./churn-wasm/full/churn_wasm_bg.wasm", import.meta.url)));
  const started = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  started.postMessage({ id: 0, name: "load", args: [await module] });
  return new Promise((resolve, reject) => {
    started.onmessage = ({ data: { error } }) => (error ? reject(new Error(error.message)) : resolve(started));
    started.onerror = ({ message }) => reject(new Error(message));
  });
}

function employ(next) {
  worker = next;
  worker.onmessage = ({ data: { id, progress, result, error } }) => {
    const call = calls.get(id);
    if (!call) return;
    if (progress) {
      call.progress?.(...progress);
      return;
    }
    calls.delete(id);
    if (error) call.reject(Object.assign(new Error(error.message), error));
    else call.resolve(result);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    end(Object.assign(new Error(event.message), { code: "internal" }));
  };
}

function end(reason) {
  worker?.terminate();
  worker = undefined;
  const left = calls;
  calls = new Map();
  for (const call of left.values()) call.reject(reason);
}

/** Loads everything there is to load; afterwards the page needs no network. */
export async function ready() {
  employ(await start());
  for (let i = 0; i < STANDBY; i++) standby.push(await start());
}

/** Calls a function of the worker; `progress` is told stage, done and total. */
export async function call(name, args = [], progress = undefined) {
  if (!worker) employ(standby.pop() ?? (await start()));
  return new Promise((resolve, reject) => {
    const id = ++count;
    calls.set(id, { resolve, reject, progress });
    worker.postMessage({ id, name, args });
  });
}

/** Ends whatever the worker does. The next call is answered by another one, which knows of no data. */
export function stop() {
  end(Object.assign(new Error("stopped"), { code: "stopped" }));
}
