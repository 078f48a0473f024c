// Numbers and messages for people.

const language = navigator.language || "en";
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const count = (n) => whole.format(n);
export const percent = (share) => `${tenth.format(100 * share)} %`;
export const decimal = (value, digits = 3) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const money = (value) => (Math.abs(value) >= 1000 ? whole.format(value) : decimal(value, 2));
export const plural = (n, word, words = `${word}s`) => `${count(n)} ${n === 1 ? word : words}`;
export const size = (bytes) => (bytes >= 1e6 ? `${tenth.format(bytes / 1e6)} MB` : `${whole.format(Math.ceil(bytes / 1e3))} kB`);

export const learners = {
  logistic_regression: "logistic regression",
  random_forest: "random forest",
  gradient_boosting: "gradient boosting",
  // A model that `auto` has made of several.
  auto: "weighted mean",
};

export const causes = { voluntary: "cancellation", involuntary: "failed payment", trial_not_converted: "trial not converted", other: "other" };

export const stages = {
  read: "Reading the file",
  labels: "Finding out who came back",
  features: "Looking at each customer's past",
  search: "Trying what learns best",
  audit: "Proving that no future leaks into the past",
  "cross-fit": "Learning",
  trees: "Growing trees",
  fit: "Learning",
  evaluate: "Judging it on customers it has not seen",
  backtest: "Judging models at many days of the past",
  score: "Scoring today's customers",
};

/** An error in words for a shop owner: a sentence, and the action to take. `ofPeriods` is true for a file of subscriptions. */
export function explainError(error, ofPeriods = false) {
  const { code, message } = error;
  const technical = message;
  const say = (title, advice) => ({ title, advice, technical });
  const other = ofPeriods && explainOfPeriods(error);
  if (other) return say(...other);
  switch (code) {
    case "not_loaded":
      return say("A part of this page is not here yet.", "It was to be loaded, and there was no network. Go online and try again.");
    case "not_utf8":
      return say("This file is not text.", "It may be a picture, a PDF or an archive. Export your orders as a CSV file or a spreadsheet (.xlsx) and drop that here.");
    case "empty_file":
      return say("This file is empty.", "Choose a CSV file with a line of column names and one line for each order.");
    case "record_too_long":
      return say("This file has no lines that can be told apart.", "A CSV file has one short line for each order. This one begins with a line that does not end: perhaps it was damaged, or it is no CSV file.");
    case "unclosed_quote":
      return say("A quotation mark in this file is opened and never closed.", `Look at ${place(error)} of the file, and remove the mark or close it.`);
    case "missing_column":
      return say("A column that is needed is not there.", "Say below which column holds the customer and which the date.");
    case "duplicate_column":
      return say("Two columns have the same name.", "Give one of them another name in the first line of the file.");
    case "finding":
      return say("Something is odd about this data.", "The results would be wrong. Mend what was found, or go on if you know better.");
    case "bad_rows":
    case "too_many_bad_rows":
      return say("Some rows cannot be read.", "They are listed below. You can leave them out, or mend the file and drop it again.");
    case "no_good_rows":
      return say("Not one row can be used.", "Check that the right columns are chosen for the customer and the date, and how the dates are written.");
    case "cutoff_outside_data":
      return say("The file covers too short a time.", "To learn who stays away for so many days, it needs at least twice that time. Choose fewer days above, or a longer export.");
    case "too_few_rows":
      return say("There are too few customers to learn from.", "At least 50 are needed whose outcome is known. Choose a longer export, or fewer days.");
    case "one_class":
      return say("Nearly everybody left, or nearly everybody stayed.", "There is nothing to tell apart. Choose another number of days after which a customer counts as gone.");
    case "no_customers":
      return say("No customer is left to look at.", "Check the columns and the dates, or choose another number of days.");
    case "too_many_values":
      return say("The column for the kind of event holds too many different values.", "It looks like a number or a name. Choose another column, or none.");
    case "feature_mismatch":
      return say("The model does not fit this file.", "It was made from other columns. Use the model with data of the kind it was made from, or learn anew.");
    case "invalid_document":
    case "unsupported_version":
    case "golden_mismatch":
      return say("This is not a model that can be used.", "Choose the model.json that this page, the Rust library, the Python package or the server wrote.");
    case "invalid_parameter":
      return say("A setting does not fit.", technical);
    case "cancelled":
    case "stopped":
      return say("Stopped.", "Choose a file to begin again.");
    case "worker_lost":
      return say("The results are not in memory any more.", "Choose the file again; your data has not left this page.");
    case "io":
      return /spreadsheet/.test(message)
        ? say("This spreadsheet cannot be read.", "Open it in your spreadsheet program and save the sheet with the orders as “CSV UTF-8 (comma separated)”. Then drop that file here.")
        : say("The file cannot be read.", "It may be damaged, or have been moved or changed since it was chosen. Choose it again.");
    default:
      return say("Something went wrong.", "If the file is very large, try a part of it. Your data has not left this page.");
  }
}

const place = ({ line }) => (line ? `line ${count(line)}` : "the end");

/** The same where it means something else for subscriptions. */
function explainOfPeriods({ code, message }) {
  switch (code) {
    case "missing_column":
      return ["A column that is needed is not there.", "Say below which column holds the customer and which the first day of the subscription."];
    case "no_good_rows":
      return ["Not one row can be used.", "Check that the right columns are chosen for the customer and the first day, and how the dates are written."];
    case "cutoff_outside_data":
      return ["The file covers too short a time.", "To learn who leaves within so many days, it needs at least twice that time, and a month in which customers could have come back. Choose fewer days above, or a longer export."];
    case "too_few_rows":
      return ["There are too few customers to learn from.", "At least 50 active customers are needed whose end, or going on, is known. Choose a longer export, or fewer days."];
    case "one_class":
      return ["Nearly everybody left, or nearly everybody stayed.", "There is nothing to tell apart. Choose another number of days, or an export with those who left and those who are still there."];
    case "no_customers":
      return ["Nobody is active on the last day of the file.", "There is nobody to find a risk for. Check the column of the ends, or choose an export with the customers who are still there."];
    case "feature_mismatch":
      if (/ends_known/.test(message)) return ["The model was made from ends that were known on another day.", "Choose the other answer at “An end is known” and try again."];
      if (/usage/.test(message)) return ["The model also needs events such as logins.", "This page reads the subscriptions alone. Use the model with the Python package, or learn anew."];
      return undefined;
    default:
      return undefined;
  }
}
