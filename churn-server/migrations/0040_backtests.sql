-- Backtests: a recipe judged at many cutoffs of a data set. The result is a file.
CREATE TABLE backtests (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    job_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    model_type TEXT NOT NULL,
    status TEXT NOT NULL,
    -- Where the result is in storage. NULL before the backtest is completed.
    result_key TEXT,
    judged_cutoffs BIGINT,
    -- The mean AUC with its standard error and interval, and the findings, as JSON.
    roc_auc TEXT,
    findings TEXT,
    error_code TEXT,
    error_message TEXT,
    error_line BIGINT,
    error_findings TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX backtests_of ON backtests (org_id, created_at);
CREATE INDEX backtests_dataset ON backtests (dataset_id);
-- Whether a row refers to a file is asked before it is removed.
CREATE INDEX backtests_result ON backtests (result_key);

-- The mean AUC of the evaluation over its cutoffs with its interval, as JSON, and the number of these cutoffs. NULL for models
-- of earlier versions.
ALTER TABLE models ADD COLUMN roc_auc_over_time TEXT;
ALTER TABLE models ADD COLUMN judged_cutoffs BIGINT;
