-- What checks found, as JSON: lists of findings with code, severity, message, evidence and suggestion. NULL: not checked.
ALTER TABLE datasets ADD COLUMN findings TEXT;
ALTER TABLE models ADD COLUMN findings TEXT;
ALTER TABLE prediction_batches ADD COLUMN findings TEXT;
-- The findings that stopped the work.
ALTER TABLE datasets ADD COLUMN error_findings TEXT;
ALTER TABLE models ADD COLUMN error_findings TEXT;
ALTER TABLE prediction_batches ADD COLUMN error_findings TEXT;
ALTER TABLE jobs ADD COLUMN error_findings TEXT;
-- Options of reading that differ for this data set from those of the organization, as a JSON object.
ALTER TABLE datasets ADD COLUMN read_options TEXT;
-- The customers of the batch whose risk rose most, as JSON.
ALTER TABLE prediction_batches ADD COLUMN slipping TEXT;
