// Compiled, never run: what the types must allow and what they must refuse.
import init, {
  backtest, ChurnError, type Backtest, type Evaluation, type Prediction, compare, evaluate, Events, eventsFromRows, features, labels, Model,
  profit, readCsv, readCsvStream, report, segment, train, trainTable,
} from "churn-wasm";
import { startWorker, type Remote } from "churn-wasm/worker";
import initScoring, * as scoring from "churn-wasm/scoring";
import { contactsCsv, csvText } from "churn-wasm/lists";
import initFiles, { decodedText, detect, type Detected } from "churn-wasm/files";
import initSubscriptions, * as subscriptions from "churn-wasm/subscriptions";

await init();
await init("https://example.org/churn_wasm_bg.wasm");
await initScoring(new Uint8Array());
await initFiles();
await initSubscriptions();

const events: Events = readCsv("a", { columns: { event_date: "InvoiceDate" }, on_bad_row: "skip" }, (stage, done, total) => done <= total && stage !== "");
eventsFromRows([{ customer_id: "A", event_date: new Date(), amount: null }]);
const table = features(events, { as_of: "2024-01-01", feature_set: "behavioral", scales: { frequency: 1, monetary: 1 } });
const values: Float64Array = table.toFloat64Array();
const { customer_id, churned } = labels(events, { cutoff: "2024-01-01", horizon_days: 30 });
const ids: string[] = customer_id;
const model: Model = train(events, { model: "auto", horizon_days: 60, time_budget: 5 });
trainTable([{ churned: true, age: 3, plan: null }], { label: "churned" });
trainTable({ churned: [true], age: new Float64Array(1) });
const prediction: Prediction = model.predictOne({ customer_id: "A", transactions: [{ event_date: "2024-01-01" }] });
const band: "Low" | "Medium" | "High" | "Critical" = prediction.risk_segment;
const evaluation: Evaluation | null = model.evaluation;
const auc: number | null | undefined = evaluation?.recency_auc;
const over: number | undefined = evaluation?.over_time?.roc_auc.low;
const judged: Backtest = backtest(events, { model: "auto", step_days: 30, against: { short: { snapshots: 3 } }, predictions: true }, () => true);
const risk: Float64Array | undefined = judged.predictions?.against["short"];
const reasons: string[] = model.explain(events, { event: "purchase" }).reasons(0).map((reason) => reason.text);
const after: number = model.whatIf(table, "A", { recency_score: 90 }).after.churn_probability;
evaluate(churned, values);
compare([true, false], [0.1, 0.2], new Float64Array(2)).roc_auc.difference.toFixed();
profit.contactList(ids, values, null, { budget: 100 }).entries[0]?.group;
const text: string = contactsCsv(profit.contactList(ids, values), "contact") + csvText(["id", "risk"], [["a", null]]);
profit.empc([1, 0], [0.5, 0.5]).empc.toFixed();
const saved: number | null = profit.savings(churned, values, { tp_cost: 10, fn_cost: values }, { threshold: 0.5 }).savings;
const thresholds: Float64Array = profit.costThresholds({ fp_cost: [1, 2], fn_cost: 5 });
segment(0.5, { medium: 0.2 });
report(model, events, { event: "purchase" }).length;
scoring.Model.fromJson(model.toJson()).predict(scoring.eventsFromRows([])).toCsv();
const file: Detected = detect(new Uint8Array(1), { columns: { amount: "" } });
readCsv(decodedText(new Uint8Array(1), file.options.encoding), file.options);
const answers: string[] = file.questions.flatMap(({ readings }) => readings.map(({ example }) => example));
answers.push(file.trial?.first_day ?? "", String(file.found[0]?.value));
try { readCsv(""); } catch (error) { if (error instanceof ChurnError) error.code === "bad_rows" && error.line; }
const streamed: Events = await readCsvStream([new Uint8Array(1)], { delimiter: ";" });
{
  using mine = streamed;
  mine.length.toFixed();
}
const there = await startWorker({ standby: 1 });
const remote: Remote<Events> = await there.readCsv("a", {}, (stage) => stage !== "");
const learned: Remote<Model> = await there.train(remote, { horizon_days: 30 });
const risks: Float64Array = await (await learned.predict(remote)).churn_probability;
const tested: Backtest = await there.backtest(remote, { most_cutoffs: 4 });
const margin: number = ((await learned.evaluation)?.metrics.roc_auc ?? 0) + risks.length;
// @ts-expect-error: an object of this thread is not one of the worker
there.train(events);
// @ts-expect-error: a promise is no number
const length: number = remote.length;

const periods: subscriptions.Subscriptions = subscriptions.readSubscriptions("a", { preset: "stripe", reasons: { moved: "voluntary" } });
const usage = subscriptions.readCsv("a");
const leaving: subscriptions.Model = subscriptions.train(periods, { horizon_days: 30, usage, before_renewal_days: null });
const leavers = leaving.predict(periods, { usage, include_inactive: true });
const failing: Float64Array | undefined = leavers.causes.involuntary;
const due: string[] | undefined = leavers.dunning();
const cancelled: number | undefined = leavers.coverage?.already_cancelled;
const cause: subscriptions.EndReason | null | undefined = subscriptions.labels(periods, { cutoff: "2024-01-01" }).cause[0];
const reread: subscriptions.Model = subscriptions.Model.fromJson(leaving.toJson());
leaving.predictSubscriber({ customer_id: 1, periods: [{ start_date: "2024-01-01" }] }).causes.voluntary?.toFixed();
subscriptions.train(usage, { horizon_days: 30 }).predict(usage).toRows();
subscriptions.features(periods, { allowed_gap_days: 0 }).levels["plan"]?.length;
subscriptions.movements(periods)[0]?.amounts.expansion.toFixed();
subscriptions.retention(periods, { by: "plan" })[0]?.curve[0]?.low?.toFixed();
subscriptions.report(reread, periods, { usage }).length;
subscriptions.compareModels(leaving, reread, usage);
// @ts-expect-error: the periods say who leaves
subscriptions.train(periods, { labels: "inactivity" });
// @ts-expect-error: usage goes with subscriptions
subscriptions.train(usage, { usage });
// @ts-expect-error: the full build has no subscriptions
model.predict(periods);

// @ts-expect-error: an option that does not exist
train(events, { horizont: 60 });
// @ts-expect-error: the definition of churn is the same for all recipes
backtest(events, { against: { other: { horizon_days: 60 } } });
// @ts-expect-error: a learner that does not exist
train(events, { model: "neural_network" });
// @ts-expect-error: objects of the module are not made by hand
new Events();
// @ts-expect-error: the build without training does not train
scoring.train(events);
// @ts-expect-error: the build without training does not judge
scoring.backtest(events);
// @ts-expect-error: a cutoff is needed
labels(events, {});

export { after, auc, band, cancelled, cause, due, failing, length, margin, over, reasons, risk, tested };
