-- The job that a job waits for; it is claimed only after that one has made what it was to make.
ALTER TABLE jobs ADD COLUMN waits_for TEXT;
-- Since when the job waits for a storage or a database that is away, and how often it has looked.
ALTER TABLE jobs ADD COLUMN away_since BIGINT;
ALTER TABLE jobs ADD COLUMN looks BIGINT NOT NULL DEFAULT 0;
CREATE INDEX jobs_waiting ON jobs (waits_for);
CREATE INDEX jobs_open ON jobs (org_id, status);

-- Organizations take turns: whose turn was longest ago comes first. The newest turn has the greatest number.
CREATE TABLE turns (
    org_id TEXT PRIMARY KEY NOT NULL REFERENCES organizations (id),
    turn BIGINT NOT NULL
);
CREATE INDEX turns_by_age ON turns (turn);
