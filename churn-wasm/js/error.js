// The error that every call throws, and descriptions of unexpected values for its messages.

// Marks the errors of every copy of the package: both builds, workers, and `import` beside `require`.
const MARK = Symbol.for("error of churn-wasm");

/** An error with a stable `code`, the `line` at fault, the `report` of the rows read so far, and the `findings` that stopped
 *  the work. */
export class ChurnError extends Error {
  constructor(code, message, { line = null, report = null, findings = [], cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.line = line;
    this.report = report;
    this.findings = findings;
  }

  /** Recognises errors by their mark, so that `instanceof` works across copies of the package. */
  static [Symbol.hasInstance](value) {
    try {
      return typeof value === "object" && value !== null && value[MARK] === true;
    } catch {
      return false;
    }
  }
}
Object.defineProperty(ChurnError.prototype, MARK, { value: true });
Object.defineProperty(ChurnError.prototype, "name", { value: "ChurnError", configurable: true, writable: true });

/** The error of an argument of a wrong kind or value. */
export const wrong = (message) => new ChurnError("invalid_parameter", message);

/** A value in words. It must never throw, whatever the value. */
export function shown(value) {
  try {
    if (value === null || value === undefined) return String(value);
    if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    if (typeof value === "function") return "a function";
    if (typeof value !== "object") return `the ${typeof value} ${String(value).slice(0, 40)}`;
    if (Array.isArray(value)) return "an array";
    const name = className(value);
    return name === "" || name === "Object" ? "an object" : aOrAn(name.slice(0, 40));
  } catch {
    return "an object that cannot be looked at";
  }
}

/** The name of the class of an object, if it has one. */
export function className(value) {
  try {
    const name = value.constructor.name;
    return typeof name === "string" ? name : "";
  } catch {
    return "";
  }
}

/** A noun with its article. */
export const aOrAn = (noun) => `${/^[AEIOU]/.test(noun) ? "an" : "a"} ${noun}`;

/** The message of an exception, whatever was thrown. */
export function wordsOf(error) {
  try {
    return String(error?.message ?? error);
  } catch {
    return "an exception without words";
  }
}
