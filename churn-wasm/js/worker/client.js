// The package's calls, made in a worker: the same names, and promises for results. A worker that fails is replaced.
import { classes, functions, parameter, profit } from "../js/calls.js";
import { ChurnError, aOrAn, className, shown, wordsOf, wrong } from "../js/error.js";

/** Starts a worker and the standby workers. `spawn` creates one: `{ post, listen, terminate }`. */
export async function startClient(spawn, { module, standby = 0 } = {}) {
  if (!Number.isInteger(standby) || standby < 0) throw wrong(`standby is ${shown(standby)}; expected a number of workers`);
  const ready = [];
  let current;
  let closed = false;

  async function start() {
    const port = spawn();
    const worker = { port, calls: new Map(), isLost: false };
    const loaded = new Promise((resolve, reject) => {
      worker.calls.set(0, { resolve, reject });
    });
    // Avoids an unhandled rejection; the code below handles the failure.
    loaded.catch(() => undefined);
    port.listen((message) => receive(worker, message), (error) => end(worker, internal(error)));
    try {
      const given = await module;
      port.post({ id: 0, name: "load", args: [given instanceof URL ? given.href : given] });
      await loaded;
    } catch (error) {
      end(worker, error);
      throw error instanceof ChurnError ? error : wrong(`the module cannot be sent to the worker: ${wordsOf(error)}; expected a URL, bytes or a WebAssembly.Module`);
    }
    return worker;
  }

  function receive(worker, { id, progress, result, error }) {
    const call = worker.calls.get(id);
    if (!call) return;
    if (progress) {
      watch(worker, call, progress);
      return;
    }
    worker.calls.delete(id);
    if (call.thrown) call.reject(call.thrown.error);
    else if (!error) call.resolve(received(worker, result));
    else if (error.foreign) call.reject(Object.assign(new Error(error.message), { name: error.name }));
    else if (error.code && error.code !== "internal") call.reject(new ChurnError(error.code, error.message, error));
    else {
      // An error without a code is a fault of the worker: its objects may be in an invalid state.
      const reason = internal(error);
      call.reject(reason);
      end(worker, reason);
    }
  }

  /** Calls the observer, and stops the work if it returns false. */
  function watch(worker, call, progress) {
    let goesOn = true;
    try {
      goesOn = call.observe?.(...progress) !== false;
    } catch (error) {
      call.thrown ??= { error };
      goesOn = false;
    }
    if (goesOn) return;
    if (call.flag) Atomics.store(call.flag, 0, 1);
    // A busy worker can be reached in no other way.
    else end(worker, call.thrown?.error ?? new ChurnError("cancelled", "stopped by the observer, and with it the worker and what it held"));
  }

  function end(worker, reason) {
    if (worker.isLost) return;
    worker.isLost = true;
    worker.port.terminate();
    if (worker === current) current = undefined;
    const left = [...worker.calls.values()];
    worker.calls.clear();
    for (const call of left) call.reject(reason);
  }

  let count = 0;
  let hiring;

  /** The current worker; a new one if the last was lost. */
  async function employ() {
    if (closed) throw wrong("the worker has been closed; expected a call before close()");
    if (current) return current;
    hiring ??= (ready.length > 0 ? Promise.resolve(ready.pop()) : start()).finally(() => {
      hiring = undefined;
    });
    current = await hiring;
    if (closed) close();
    return current;
  }

  function send(worker, message, observe, transfer = []) {
    const id = ++count;
    const flag = observe && typeof SharedArrayBuffer !== "undefined" ? new Int32Array(new SharedArrayBuffer(4)) : undefined;
    return new Promise((resolve, reject) => {
      try {
        worker.port.post({ ...message, id, observe: observe !== undefined, flag }, transfer);
      } catch (error) {
        reject(wrong(`an argument cannot be sent to the worker: ${wordsOf(error)}; expected data`));
        return;
      }
      worker.calls.set(id, { resolve, reject, observe, flag });
    });
  }

  const OURS = Symbol("made by a worker");
  const forget = new FinalizationRegistry(({ worker, id }) => worker.isLost || worker.port.post({ name: "free", target: id }));

  class Remote {
    #worker;
    #id;
    #kind;

    constructor(key, worker, id) {
      if (key !== OURS) throw wrong(`new ${new.target.name}() makes none; expected a call of ${classes[new.target.name]?.made_by}`);
      this.#worker = worker;
      this.#id = id;
      this.#kind = new.target.name;
      forget.register(this, { worker, id }, this);
    }

    /** The location of the object of this class: `{ worker, id }`. */
    static place(value, name, kind) {
      if (typeof value !== "object" || value === null || !(#kind in value) || value.#kind !== kind) {
        const elsewhere = className(value) === kind ? " that this worker did not make" : "";
        throw wrong(`${name} is ${shown(value)}${elsewhere}; expected ${aOrAn(kind)} of this worker`);
      }
      if (value.#id === undefined) throw wrong(`${name} has been freed; expected ${aOrAn(kind)} that is still in memory`);
      if (value.#worker.isLost) throw new ChurnError("worker_lost", `the worker that held the ${kind} has ended; expected one that was read or trained since`);
      return { worker: value.#worker, id: value.#id };
    }

    free() {
      if (typeof this !== "object" || this === null || !(#kind in this) || this.#id === undefined) return;
      forget.unregister(this);
      if (!this.#worker.isLost) this.#worker.port.post({ name: "free", target: this.#id });
      this.#id = undefined;
    }

    toJSON() {
      throw wrong(`the ${this.#kind} is in a worker; expected await of its data, such as toJson() of a Model`);
    }
  }
  Object.defineProperty(Remote.prototype, Symbol.dispose ?? Symbol.for("Symbol.dispose"), { value: Remote.prototype.free });

  const made = Object.fromEntries(Object.keys(classes).map((kind) => [kind, Object.defineProperty(class extends Remote {}, "name", { value: kind })]));
  const received = (worker, result) => (result?.handle ? new made[result.kind](OURS, worker, result.handle) : result?.value);

  /** A call with its parameters. It checks only arguments that cannot be sent to the worker. */
  async function invoke(message, parameters, args, target) {
    const at = target && Remote.place(target.value, "this", target.kind);
    const places = [];
    const transfer = [];
    let observe;
    const values = parameters.map(({ name, kind, optional }, i) => {
      const value = args[i];
      if (kind === "observe") {
        if (value === undefined || value === null) return undefined;
        if (typeof value !== "function") throw wrong(`${name} is ${shown(value)}; expected a function (stage, done, total) => boolean`);
        observe = value;
        return undefined;
      }
      if (kind in classes) {
        const place = Remote.place(value, name, kind);
        places.push(place);
        return place.id;
      }
      if (optional && (value === undefined || value === null)) return undefined;
      return name === "source" ? sent(value, transfer) : value;
    });
    const worker = at?.worker ?? places[0]?.worker ?? (await employ());
    return send(worker, { ...message, args: values, target: at?.id }, observe, transfer);
  }

  const group = (list, prefix = "") => Object.fromEntries(Object.entries(list).map(([name, texts]) => {
    const parameters = texts.map(parameter);
    return [name, { [name]: (...args) => invoke({ name: `${prefix}${name}` }, parameters, args) }[name]];
  }));

  for (const [kind, { properties, methods, statics = {} }] of Object.entries(classes)) {
    for (const name of properties) {
      Object.defineProperty(made[kind].prototype, name, {
        get() {
          return invoke({ name: `${kind}.${name}`, property: true }, [], [], { value: this, kind });
        },
        configurable: true,
      });
    }
    for (const [name, texts] of Object.entries(methods)) {
      const parameters = texts.map(parameter);
      const value = function (...args) {
        return invoke({ name: `${kind}.${name}` }, parameters, args, { value: this, kind });
      };
      Object.defineProperty(made[kind].prototype, name, { value, configurable: true, writable: true });
    }
    for (const [name, texts] of Object.entries(statics)) {
      const parameters = texts.map(parameter);
      made[kind][name] = (...args) => invoke({ name: `${kind}.${name}`, statics: true }, parameters, args);
    }
  }

  function close() {
    closed = true;
    for (const worker of [current, ...ready.splice(0)]) if (worker) end(worker, new ChurnError("worker_lost", "the worker has been closed"));
  }

  current = await start();
  for (let i = 0; i < standby; i++) ready.push(await start());
  return {
    ...group(functions),
    ...made,
    profit: Object.freeze(group(profit, "profit.")),
    /** Calls a function of a custom worker by name. */
    call: async (name, args = [], observe = undefined) => send(await employ(), { name, args, own: true }, observe),
    /** Stops the work of the worker. Another worker, which holds no data, answers the next call. */
    stop: () => current && end(current, new ChurnError("cancelled", "stopped, and with it the worker and what it held")),
    close,
    [Symbol.dispose ?? Symbol.for("Symbol.dispose")]: close,
  };
}

/** A source as it is sent: streams are transferred, other values are copied, and a file is sent without being read. */
function sent(source, transfer) {
  if (typeof Response !== "undefined" && source instanceof Response) {
    if (!source.ok) throw wrong(`the response has the status ${source.status}; expected a log`);
    return source.body ? sent(source.body, transfer) : "";
  }
  if (typeof ReadableStream !== "undefined" && source instanceof ReadableStream) transfer.push(source);
  return source;
}

function internal(error) {
  return new ChurnError("internal", `the worker failed and is replaced: ${wordsOf(error)}; what it held must be read and trained again`, { cause: error });
}
