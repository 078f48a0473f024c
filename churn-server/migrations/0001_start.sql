-- Metadata only: files are in storage. Ids are UUIDs as text, times milliseconds since 1970 in UTC, JSON is text.

CREATE TABLE organizations (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    -- Moves whenever what predictions go by changes: the active model, the challenger, its share, the settings.
    serving_generation BIGINT NOT NULL DEFAULT 0,
    -- The share of the customers, 0 to 1, that the challenger scores.
    traffic_share DOUBLE PRECISION NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- The beginning of the key, for people; the key itself is kept as its SHA-256 in hexadecimal.
    prefix TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_of ON api_keys (org_id, created_at);

CREATE TABLE datasets (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    filename TEXT,
    status TEXT NOT NULL,
    has_churn_label BOOLEAN NOT NULL,
    row_count BIGINT NOT NULL,
    bad_rows BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    -- Where the file is in storage, and its features once they are made.
    file_key TEXT NOT NULL,
    features_key TEXT,
    customers BIGINT,
    features BIGINT,
    first_day TEXT,
    last_day TEXT,
    job_id TEXT,
    error_code TEXT,
    error_message TEXT,
    error_line BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX datasets_of ON datasets (org_id, created_at);

CREATE TABLE models (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    version BIGINT NOT NULL,
    -- What was asked for ("auto"), and what came of it.
    model_type TEXT NOT NULL,
    kind TEXT,
    status TEXT NOT NULL,
    -- "active", "challenger" or nothing.
    role TEXT,
    dataset_id TEXT NOT NULL,
    job_id TEXT NOT NULL,
    document_key TEXT,
    training_samples BIGINT,
    churn_rate DOUBLE PRECISION,
    recency_auc DOUBLE PRECISION,
    metrics TEXT,
    warnings TEXT,
    error_code TEXT,
    error_message TEXT,
    error_line BIGINT,
    created_at BIGINT NOT NULL,
    trained_at BIGINT,
    UNIQUE (org_id, version)
);
CREATE UNIQUE INDEX models_in_role ON models (org_id, role) WHERE role IS NOT NULL;

-- Which model took over from which, so that it can be undone.
CREATE TABLE activations (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    model_id TEXT NOT NULL REFERENCES models (id),
    previous_id TEXT REFERENCES models (id),
    undone BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL
);
CREATE INDEX activations_of ON activations (org_id, created_at);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL,
    -- The data set, model or batch that it is about.
    subject_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued',
    progress DOUBLE PRECISION NOT NULL DEFAULT 0,
    stage TEXT,
    attempts BIGINT NOT NULL DEFAULT 0,
    max_attempts BIGINT NOT NULL DEFAULT 5,
    -- Not before this time; and until when the worker that has it may be taken for alive.
    run_at BIGINT NOT NULL,
    lease_until BIGINT,
    worker TEXT,
    cancel_requested BIGINT NOT NULL DEFAULT 0,
    error_code TEXT,
    error_message TEXT,
    error_line BIGINT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
);
CREATE INDEX jobs_due ON jobs (status, run_at);
CREATE INDEX jobs_of ON jobs (org_id, created_at);

CREATE TABLE prediction_batches (
    id TEXT PRIMARY KEY NOT NULL,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    job_id TEXT NOT NULL,
    -- The data set that was scored, or where the file that was sent along is.
    dataset_id TEXT,
    input_key TEXT NOT NULL,
    model_id TEXT NOT NULL REFERENCES models (id),
    model_version BIGINT NOT NULL,
    challenger_id TEXT REFERENCES models (id),
    as_of TEXT,
    status TEXT NOT NULL,
    file_key TEXT,
    customers BIGINT,
    -- Those who have been away for longer than any that the model has learned from, scored or not.
    inactive_customers BIGINT,
    warnings TEXT,
    segments TEXT,
    mean_probability DOUBLE PRECISION,
    -- Where every so manieth row of the result begins, so that a page is a range read.
    page_index TEXT,
    error_code TEXT,
    error_message TEXT,
    error_line BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX prediction_batches_of ON prediction_batches (org_id, created_at);
