// The error that every call throws, and the words for what was found in place of what was expected.

// Marks the errors of every copy of the package: of both builds, of workers, of `import` beside `require`.
const MARK = Symbol.for("error of churn-wasm");

/** An error with a stable `code`, the `line` at fault, the `report` of what had been read, and the `findings` that stopped the work. */
export class ChurnError extends Error {
  constructor(code, message, { line = null, report = null, findings = [], cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.line = line;
    this.report = report;
    this.findings = findings;
  }

  /** By their mark, so that `instanceof` holds across copies. */
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

/** An argument that is not what it should be. */
export const wrong = (message) => new ChurnError("invalid_parameter", message);

/** A value in words, whatever it is: no value may fail to be described. */
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

/** The name of the class of an object, or nothing. */
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

/** The words of an exception, whatever was thrown. */
export function wordsOf(error) {
  try {
    return String(error?.message ?? error);
  } catch {
    return "an exception without words";
  }
}
