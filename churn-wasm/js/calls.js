// Every call of the package with the kind of each parameter. The border (border.js) checks arguments against this list, and the
// worker (worker/client.js) offers the same calls.
//
// A parameter is "name kind". Kinds: `text`, `number`, `places` (row positions), `observe` (a function), the name of a class,
// or `data`, which the module reads itself. A parameter whose kind has a question mark is optional. In the build for subscriptions
// there are two more: `Events|Subscriptions`, an object of either class, and `usage`, data that may have an `Events` under this name.

export const functions = {
  backtest: ["events Events", "options data", "observe observe?"],
  check: ["events Events", "options data"],
  compare: ["churned data", "a data", "b data", "options data"],
  compareModels: ["a Model", "b Model", "events Events", "options data"],
  curves: ["churned data", "probabilities data", "options data"],
  evaluate: ["churned data", "probabilities data", "options data"],
  eventsFromRows: ["rows data", "options data"],
  features: ["events Events", "options data"],
  findingCodes: [],
  labels: ["events Events", "options data"],
  modelReport: ["model Model", "options data"],
  readCsv: ["source data", "options data", "observe observe?"],
  report: ["model Model", "events Events", "options data"],
  segment: ["probability number", "thresholds data"],
  segmentTable: ["churned data", "probabilities data", "thresholds data"],
  suggest: ["events Events"],
  train: ["events Events", "options data", "observe observe?"],
  trainTable: ["rows data", "options data", "observe observe?"],
  version: [],
};

/** The calls of the build for files. */
export const files = {
  decodedText: ["source data", "encoding text?"],
  detect: ["source data", "options data"],
};

export const profit = {
  campaignOutcome: ["contacted data", "churned data", "options data"],
  contactList: ["customer_ids data", "probabilities data", "values data", "options data"],
  costThresholds: ["costs data"],
  curve: ["churned data", "probabilities data", "options data"],
  empc: ["churned data", "probabilities data", "options data"],
  expectedCurve: ["probabilities data", "values data", "options data"],
  expectedProfit: ["probability number", "value number", "options data"],
  mpc: ["churned data", "probabilities data", "options data"],
  savings: ["churned data", "probabilities data", "costs data", "options data"],
  threshold: ["options data"],
};

export const classes = {
  Events: {
    made_by: "readCsv or eventsFromRows",
    properties: ["length", "customers", "customer_ids", "first_day", "last_day", "event_types", "unit", "report"],
    methods: { customer: ["customer_id text"] },
  },
  FeatureTable: {
    made_by: "features, model.features or model.tableFeatures",
    properties: ["length", "customer_ids", "names", "scales", "fitted_config", "as_of"],
    methods: {
      toFloat64Array: [],
      column: ["name text"],
      row: ["customer_id text"],
      select: ["places places"],
      toCsv: [],
    },
  },
  Predictions: {
    made_by: "model.predict, model.predictTable or model.predictFeatures",
    properties: ["length", "customer_id", "churn_probability", "risk_segment", "as_of", "coverage", "covered", "findings"],
    methods: { toRows: [], toCsv: [] },
  },
  Explanation: {
    made_by: "model.explain or model.explainFeatures",
    properties: ["length", "customer_ids", "names", "contributions", "base", "margin", "churn_probability", "output"],
    methods: { reasons: ["row number"], listReasons: ["rows places?"], importance: [], dependence: ["feature text"] },
  },
  Model: {
    made_by: "train, trainTable or Model.fromJson",
    properties: [
      "kind", "evaluation", "training", "parameters", "thresholds", "labels", "definition", "feature_specs", "cutoffs", "warnings",
      "findings",
      "audit", "calibration", "library_version", "event_unit",
    ],
    statics: { fromJson: ["text text"] },
    methods: {
      toJson: [],
      features: ["events Events", "options data"],
      tableFeatures: ["rows data", "customer_id text?"],
      predict: ["events Events", "options data"],
      predictTable: ["rows data", "customer_id text?"],
      predictFeatures: ["table FeatureTable"],
      predictOne: ["customer data", "options data"],
      explainOne: ["customer data", "options data"],
      slippingAway: ["events Events", "options data"],
      explain: ["events Events", "options data"],
      explainFeatures: ["table FeatureTable", "options data"],
      whatIf: ["table FeatureTable", "customer_id text", "changes data"],
      smallestChanges: ["table FeatureTable", "customer_id text", "options data"],
    },
  },
};

/** The calls of the build for subscriptions, beside those above or in place of them. */
const subscriptions = {
  functions: {
    check: ["events Events|Subscriptions", "options data"],
    features: ["events Events|Subscriptions", "options data"],
    kaplanMeier: ["durations data", "ended data"],
    labels: ["events Events|Subscriptions", "options data"],
    movements: ["subscriptions Subscriptions", "options data"],
    readSubscriptions: ["source data", "options data", "observe observe?"],
    report: ["model Model", "events Events|Subscriptions", "options usage"],
    retention: ["subscriptions Subscriptions", "options data"],
    subscriptionPreset: ["source data", "options data"],
    subscriptionsFromPayments: ["payments Events", "term_days number"],
    subscriptionsFromRows: ["rows data", "options data"],
    train: ["events Events|Subscriptions", "options usage", "observe observe?"],
  },
  classes: {
    FeatureTable: { properties: ["levels"], methods: {} },
    Predictions: { properties: ["causes"], methods: { dunning: [] } },
    Model: {
      properties: [],
      methods: {
        features: ["events Events|Subscriptions", "options usage"],
        predict: ["events Events|Subscriptions", "options usage"],
        predictSubscriber: ["subscriber data", "options data"],
        slippingAway: ["events Events|Subscriptions", "options usage"],
        explain: ["events Events|Subscriptions", "options usage"],
        subscriptionValues: ["predictions Predictions", "subscriptions Subscriptions", "options data"],
      },
    },
    Subscriptions: {
      made_by: "readSubscriptions, subscriptionsFromRows or subscriptionsFromPayments",
      properties: ["length", "customers", "customer_ids", "first_day", "last_day", "report"],
      methods: {
        status: ["as_of text?"], customerBase: ["as_of text?"], cancelledCsv: ["as_of text?"], dunningCsv: ["predictions Predictions"], toRows: [],
      },
    },
  },
};

/** The functions and classes of a build, by what its module has. */
export function callsOf(core) {
  const all = { ...functions, ...files };
  if (core.Subscriptions === undefined) return { functions: all, classes };
  const both = Object.entries(subscriptions.classes).map(([kind, more]) => {
    const one = classes[kind] ?? { properties: [], methods: {} };
    return [kind, { ...one, ...more, properties: [...one.properties, ...more.properties], methods: { ...one.methods, ...more.methods } }];
  });
  return { functions: { ...all, ...subscriptions.functions }, classes: { ...classes, ...Object.fromEntries(both) } };
}

/** The name of a function of the group `profit` inside the module. */
export const inModule = (name) => `profit${name[0].toUpperCase()}${name.slice(1)}`;

/** The parts of a parameter: `{ name, kind, optional }`. */
export function parameter(text) {
  const [name, kind] = text.split(" ");
  return { name, kind: kind.replace("?", ""), optional: kind.endsWith("?") };
}
