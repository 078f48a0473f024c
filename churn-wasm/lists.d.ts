// The types of churn-wasm/lists, which writes lists for mail tools and spreadsheets. It needs no WebAssembly module.
import type { ContactList } from "./data.js";

/** A value of a cell: null and undefined leave it empty. */
export type Cell = string | number | boolean | null | undefined;

/** The customers of one group of a contact list as CSV with the columns `customer_id,churn_probability,value,expected_profit`, the
 *  same bytes as `ContactList::write_group` of the Rust library writes: with a byte order mark and CRLF line ends. Ids are quoted, and
 *  one that a spreadsheet would execute as a formula has an apostrophe in front; phone numbers, numbers and names stay as they are.
 *  A group of another name is a `TypeError`. */
export function contactsCsv(list: ContactList, group: "contact" | "control"): string;

/** A CSV text by the same rules: byte order mark, header, rows. The names of the header are written as they are. */
export function csvText(header: string[], rows?: Cell[][]): string;

/** Rows alone by the same rules, to be put behind those of `csvText`. */
export function csvLines(rows: Cell[][]): string;
