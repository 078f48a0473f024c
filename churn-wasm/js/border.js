// The border between callers and the module. Every argument of every call is checked here against the list in calls.js. The
// module trusts its own JavaScript, so it must never get a null pointer, an object in place of a text, or an invalid length.
import { callsOf, inModule, parameter, profit } from "./calls.js";
import { ChurnError, aOrAn, className, shown, wordsOf, wrong } from "./error.js";
import { readStream } from "./stream.js";

const OURS = Symbol("made by the module");
const inspection = Symbol.for("nodejs.util.inspect.custom");
const disposal = Symbol.dispose ?? Symbol.for("Symbol.dispose");

// Hints for values of a wrong type that callers often pass.
const hints = {
  "text of Model.fromJson": "the text of a model document (await response.text(), not response.json())",
};

/** The package's functions and classes, as wrappers of the wasm-bindgen code; call `loaded` after the module is loaded. */
export function border(core) {
  const { functions, classes } = callsOf(core);
  let isLoaded = false;
  let stopped;
  const made = new Map();

  class Handle {
    #core;
    #kind;
    #calls = 0;

    constructor(key, inner) {
      const name = new.target.name;
      if (key !== OURS) throw wrong(`new ${name}() makes none; expected a call of ${classes[name]?.made_by ?? "the module"}`);
      this.#core = inner;
      this.#kind = name;
      // A structured clone would silently be an empty object. A symbol cannot be cloned, and the engine's error shows its text.
      const value = Symbol(`${aOrAn(name)} stays in the thread that made it (${name === "Model" ? "post model.toJson()" : "post its data"} instead)`);
      Object.defineProperty(this, "churn-wasm", { value, enumerable: true });
    }

    /** The inner object of a handle of one of these classes that is still alive. */
    static inner(value, name, kinds) {
      const kind = Handle.kindOf(value);
      if (!kinds.includes(kind)) {
        const another = kinds.includes(className(value)) ? " of another copy of churn-wasm" : "";
        const expected = kinds.map((one) => `${aOrAn(one)}, as ${classes[one].made_by} gives`).join(", or ");
        throw wrong(`${name} is ${shown(value)}${another}; expected ${expected}`);
      }
      if (value.#core === undefined) throw wrong(`${name} has been freed; expected ${aOrAn(kind)} that is still in memory`);
      return value.#core;
    }

    static hold(values, by) {
      for (const value of values) value.#calls += by;
    }

    /** The class of a handle; undefined for any other value. */
    static kindOf(value) {
      return typeof value === "object" && value !== null && #kind in value ? value.#kind : undefined;
    }

    /** The class of `this`, which callers can set to any value. */
    static own(value) {
      const kind = Handle.kindOf(value);
      if (kind === undefined) throw wrong(`this is ${shown(value)}; expected an object of churn-wasm`);
      return kind;
    }

    free() {
      const kind = Handle.own(this);
      if (this.#core === undefined) return;
      if (this.#calls > 0) throw wrong(`the ${kind} is in use; expected free() after the call that uses it`);
      const inner = this.#core;
      this.#core = undefined;
      if (!stopped) inner.free();
    }

    toJSON() {
      return asData[Handle.own(this)](this);
    }

    [inspection](depth, options, inspect) {
      const kind = Handle.kindOf(this);
      // A console may also show the prototypes.
      if (kind === undefined) return "[object of churn-wasm]";
      if (this.#core === undefined) return `${kind} (freed)`;
      if (stopped || depth < 0) return `[${kind}]`;
      const summary = summaries[kind](this);
      return `${kind} ${typeof inspect === "function" ? inspect(summary, options) : JSON.stringify(summary)}`;
    }
  }
  Object.defineProperty(Handle.prototype, disposal, { value: Handle.prototype.free, configurable: true, writable: true });

  /** An argument as the module takes it. Reading the argument may throw. */
  function checked(one, value, call, held) {
    try {
      return taken(one, value, call, held);
    } catch (error) {
      throw error instanceof ChurnError ? error : wrong(`${one.name} cannot be read: ${wordsOf(error)}`);
    }
  }

  function taken({ name, kind, optional }, value, call, held) {
    if (optional && (value === undefined || value === null)) return undefined;
    switch (kind) {
      case "data":
        return value;
      case "text":
        if (typeof value === "string") return value;
        throw wrong(`${name} is ${shown(value)}; expected ${hints[`${name} of ${call}`] ?? "a text"}`);
      case "number":
        if (typeof value === "number") return value;
        throw wrong(`${name} is ${shown(value)}; expected a number`);
      case "places":
        return places(value, name);
      case "observe":
        if (typeof value === "function") return value;
        throw wrong(`${name} is ${shown(value)}; expected a function (stage, done, total) => boolean`);
      default: {
        const inner = Handle.inner(value, name, kind.split("|"));
        held.push(value);
        return inner;
      }
    }
  }

  /** The options without the usage events, and these: the module takes them separately. */
  function withoutUsage(options) {
    if (typeof options !== "object" || options === null) return { options };
    try {
      const { usage, ...others } = options;
      return usage === undefined || usage === null ? { options } : { options: others, usage };
    } catch (error) {
      throw wrong(`options cannot be read: ${wordsOf(error)}`);
    }
  }

  /** Turns whatever the module throws into an error: its own, the observer's, or `internal` if the module has stopped. */
  function translated(error, watch) {
    if (error?.name === "ChurnError" && typeof error.code === "string") {
      return watch.thrown ? watch.thrown.error : Object.setPrototypeOf(error, ChurnError.prototype);
    }
    stopped = error;
    return new ChurnError("internal", `the module has stopped (${wordsOf(error)}): its memory of 4 GB is used up, or the library is at fault; `
      + "expected a fresh copy of it, in a new Web Worker or a reloaded page", { cause: error });
  }

  /** A call into the module. `run` gets the checked arguments, and the ending of the function's name if it is that for subscriptions. */
  function invoke(call, parameters, args, self, run) {
    if (!isLoaded) throw new ChurnError("not_loaded", `${call} was called before the module was loaded; expected await init() first`);
    const held = [];
    const watch = {};
    const either = parameters.findIndex(({ kind }) => kind.includes("|"));
    const ending = either >= 0 && Handle.kindOf(args[either]) === "Subscriptions" ? "Subscriptions" : "";
    // Reading options may run code of the caller, which may free objects: before any of them is taken.
    const split = ending === "" ? undefined : withoutUsage(args[parameters.findIndex(({ kind }) => kind === "usage")]);
    const inner = self && Handle.inner(self.value, "this", [self.kind]);
    if (inner) held.push(self.value);
    let usage;
    const values = parameters.map((one, i) => {
      if (one.kind === "usage") {
        if (split?.usage === undefined) return args[i];
        usage = Handle.inner(split.usage, "usage", ["Events"]);
        held.push(split.usage);
        return split.options;
      }
      const value = checked(one, args[i], call, held);
      return one.kind === "observe" && value ? watched(value, watch) : value;
    });
    if (stopped) throw new ChurnError("internal", "the module has stopped at an earlier fault; expected a fresh copy of it, in a new Web Worker or a reloaded page", { cause: stopped });
    Handle.hold(held, 1);
    let result;
    try {
      // The module takes over what it is given as an option, so it gets an object of its own.
      result = run(inner, usage ? [...values, usage.share()] : values, ending);
    } catch (error) {
      throw translated(error, watch);
    } finally {
      Handle.hold(held, -1);
    }
    const Class = typeof result === "object" && result !== null ? made.get(result.constructor) : undefined;
    const wrapped = Class ? new Class(OURS, result) : result;
    if (watch.thrown) {
      if (Class) wrapped.free();
      throw watch.thrown.error;
    }
    return wrapped;
  }

  const method = (object, name, value) => Object.defineProperty(object, name, { value, configurable: true, writable: true });

  for (const [kind, { properties, methods, statics = {} }] of Object.entries(classes)) {
    const Class = class extends Handle {};
    // The name is set explicitly, because minifiers drop names.
    Object.defineProperty(Class, "name", { value: kind });
    made.set(kind, Class);
    if (core[kind]) made.set(core[kind], Class);
    for (const name of properties) {
      const get = function () {
        return invoke(`${kind}.${name}`, [], [], { value: this, kind }, (inner) => inner[name]);
      };
      Object.defineProperty(Class.prototype, name, { get, configurable: true, enumerable: true });
    }
    for (const [name, list] of Object.entries(methods)) {
      const parameters = list.map(parameter);
      method(Class.prototype, name, function (...args) {
        return invoke(`${kind}.${name}`, parameters, args, { value: this, kind }, (inner, values, ending) => inner[`${name}${ending}`](...values));
      });
    }
    for (const [name, list] of Object.entries(statics)) {
      const parameters = list.map(parameter);
      method(Class, name, (...args) => invoke(`${kind}.${name}`, parameters, args, undefined, (_, values) => core[kind][name](...values)));
    }
  }

  const wrap = (call, name, list) => {
    const parameters = list.map(parameter);
    return { [name]: (...args) => invoke(call, parameters, args, undefined, (_, values, ending) => core[`${name}${ending}`](...values)) }[name];
  };
  const group = (list, prefix, inner) => Object.fromEntries(Object.entries(list)
    .filter(([name]) => core[inner(name)] !== undefined)
    .map(([name, parameters]) => [name, wrap(`${prefix}${name}`, inner(name), parameters)]));

  return {
    ...group(functions, "", (name) => name),
    ...Object.fromEntries(Object.keys(classes).map((kind) => [kind, made.get(kind)])),
    profit: Object.freeze(group(profit, "profit.", inModule)),
    readCsvStream: (source, options, observe) => readStream(invoke, core, source, options, observe),
    loaded: () => {
      isLoaded = true;
    },
  };
}

/** An observer whose exception is stored and leaves the call unchanged. */
function watched(observe, watch) {
  return (stage, done, total) => {
    if (watch.thrown) return false;
    try {
      return observe(stage, done, total);
    } catch (error) {
      watch.thrown = { error };
      return false;
    }
  };
}

/** Row positions, copied into a 32-bit integer array of our own, so that its length can be trusted. */
function places(value, name) {
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    throw wrong(`${name} is ${shown(value)}; expected an array of row numbers`);
  }
  if (!ArrayBuffer.isView(value) || !(value instanceof Uint32Array)) {
    // Checked before anything is allocated.
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      if (!Number.isInteger(item) || item < 0 || item >= 2 ** 32) throw wrong(`${name}[${i}] is ${shown(item)}; expected a row number`);
    }
  }
  return new Uint32Array(value);
}

// The result of JSON.stringify for each class.
const asData = {
  Model: (model) => JSON.parse(model.toJson()),
  Predictions: (predictions) => predictions.toRows(),
  Events: ({ length, customers, first_day, last_day, event_types }) => ({ length, customers, first_day, last_day, event_types }),
  Subscriptions: ({ length, customers, first_day, last_day }) => ({ length, customers, first_day, last_day }),
  FeatureTable(table) {
    const [{ customer_ids, names }, values] = [table, table.toFloat64Array()];
    const value = (number) => (Number.isNaN(number) ? null : number);
    return customer_ids.map((customer_id, row) => ({
      customer_id, ...Object.fromEntries(names.map((name, i) => [name, value(values[row * names.length + i])])),
    }));
  },
  Explanation(why) {
    const { base, output, customer_ids, names, margin, churn_probability, contributions } = why;
    const row = (i) => Array.from(contributions.subarray(i * names.length, (i + 1) * names.length));
    return {
      base, output, names,
      customers: customer_ids.map((customer_id, i) => ({
        customer_id, churn_probability: churn_probability[i], margin: margin[i], contributions: row(i),
      })),
    };
  },
};

// The summary of each class in a console; it stays short for large objects.
const summaries = {
  Model: ({ kind, definition, training, library_version }) => ({ kind, definition, customers: training.customers, library_version }),
  Predictions: ({ length, as_of }) => ({ length, as_of }),
  Events: asData.Events,
  Subscriptions: asData.Subscriptions,
  FeatureTable: ({ length, names, as_of }) => ({ length, names, as_of }),
  Explanation: ({ length, names, base, output }) => ({ length, names, base, output }),
};
