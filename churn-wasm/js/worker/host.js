// The worker's side: calls arrive as messages, and objects stay here under numeric ids.
import { classes, functions, parameter, profit } from "../js/calls.js";

/** Answers the calls of a client. `own` are custom functions, which get the arguments and an observer. */
export function serve(port, api, own = {}) {
  const objects = new Map();
  let count = 0;

  /** The function and its arguments. */
  function find({ name, target, args, own: isOwn, property, statics }) {
    if (isOwn) {
      if (!Object.hasOwn(own, name)) throw new TypeError(`the worker has no function ${name}`);
      return { run: own[name], parameters: [], args, isOwn };
    }
    const [first, member] = name.split(".");
    if (first === "profit") return { run: api.profit[member], parameters: profit[member].map(parameter), args };
    if (member === undefined) return { run: api[name], parameters: functions[name].map(parameter), args };
    const object = statics ? api[first] : objects.get(target);
    if (property) return { run: () => object[member], parameters: [], args };
    const list = (statics ? classes[first].statics : classes[first].methods)[member];
    return { run: (...values) => object[member](...values), parameters: list.map(parameter), args };
  }

  async function answer(message) {
    const { id, name, args } = message;
    if (name === "load") return api.default(...args);
    const found = find(message);
    const observe = message.observe ? observer(id, message.flag) : undefined;
    if (found.isOwn) return found.run(...args, observe ?? (() => true));
    const values = found.parameters.map(({ kind }, i) => {
      if (kind === "observe") return observe;
      return kind in classes ? objects.get(args[i]) : args[i];
    });
    // A file can be read synchronously if the engine supports it; a stream can only be read as it arrives.
    const isStream = name === "readCsv" && typeof args[0] === "object" && args[0] !== null && needsStream(args[0]);
    return isStream ? api.readCsvStream(...values) : found.run(...values);
  }

  /** Reports the progress of a call to the client, at most a few times a second, so that the client is not overloaded. */
  function observer(id, flag) {
    let [last, lastStage] = [0, ""];
    return (stage, done, total) => {
      const now = Date.now();
      if (stage !== lastStage || now - last >= 50) {
        [last, lastStage] = [now, stage];
        port.post({ id, progress: [stage, done, total] });
      }
      return !(flag && Atomics.load(flag, 0) === 1);
    };
  }

  function packed(result) {
    const kind = Object.keys(classes).find((one) => result instanceof api[one]);
    if (!kind) return { value: result };
    objects.set(++count, result);
    return { kind, handle: count };
  }

  port.listen(async (message) => {
    if (message.name === "free") {
      objects.get(message.target)?.free();
      objects.delete(message.target);
      return;
    }
    try {
      const result = packed(await answer(message));
      port.post({ id: message.id, result }, message.own ? [] : buffers(result.value));
    } catch (error) {
      const { code, line, report, findings } = error ?? {};
      // An exception of the caller's stream is neither an error of the package nor a fault of the worker.
      const foreign = code === undefined && /^readCsv/.test(message.name);
      port.post({ id: message.id, error: { name: error?.name, message: String(error?.message ?? error), code, line, report, findings, foreign } });
    }
  });
}

const needsStream = (source) =>
  (typeof ReadableStream !== "undefined" && source instanceof ReadableStream)
  || (typeof Blob !== "undefined" && source instanceof Blob && typeof FileReaderSync === "undefined");

/** The buffers of columns, which are transferred and not copied. */
function buffers(value) {
  const all = ArrayBuffer.isView(value) ? [value] : typeof value === "object" && value !== null ? Object.values(value) : [];
  return [...new Set(all.filter((one) => ArrayBuffer.isView(one)).map((one) => one.buffer))];
}
