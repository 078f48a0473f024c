// Files for spreadsheets and mail tools: as `ContactList::write_group` of the library writes them.

/** True if a spreadsheet would run a function for this text or read another cell. Phone numbers, numbers and names stay. */
const isFormula = (text) => /^[=\t\r]/.test(text) || (/^[+-]/.test(text) && !/^.[\d .()/-]*$/.test(text)) || (/^@/.test(text) && !/^@[\p{Alphabetic}\p{N}._-]*$/u.test(text));

const field = (value) => {
  if (typeof value === "string") return `"${isFormula(value) ? "'" : ""}${value.replaceAll('"', '""')}"`;
  return value === undefined || value === null ? "" : String(value);
};

/** Rows as CSV, texts quoted. */
export const csvLines = (rows) => rows.map((row) => `${row.map(field).join(",")}\r\n`).join("");

/** A file of CSV parts. Spreadsheets need the byte order mark to read UTF-8. */
export const csvFile = (header, ...parts) => new Blob(["\ufeff", `${header.join(",")}\r\n`, ...parts], { type: "text/csv" });
