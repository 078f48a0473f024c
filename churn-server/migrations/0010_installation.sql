-- Which files are ours: the database has a name, and says of every file beforehand that it is going to write or remove it.

CREATE TABLE installation (
    -- Always 1: there is one row.
    only_row BIGINT PRIMARY KEY NOT NULL,
    id TEXT NOT NULL,
    -- What the marker in storage says; and while that is being changed, what it is going to say. NULL before the first marker.
    token TEXT,
    next_token TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE pending_files (
    -- As the row that will refer to the file has it.
    key TEXT PRIMARY KEY NOT NULL,
    -- "written" or "deleted".
    reason TEXT NOT NULL,
    -- Set once the file is going to be removed: from then on no row may refer to it.
    doomed BOOLEAN NOT NULL DEFAULT FALSE,
    recorded_at BIGINT NOT NULL
);

-- Whether a row refers to a file is asked before it is removed.
CREATE INDEX datasets_file ON datasets (file_key);
CREATE INDEX datasets_features ON datasets (features_key);
CREATE INDEX models_document ON models (document_key);
CREATE INDEX batches_input ON prediction_batches (input_key);
CREATE INDEX batches_file ON prediction_batches (file_key);
