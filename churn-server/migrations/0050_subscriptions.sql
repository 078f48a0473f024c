-- Data sets of subscription periods, beside those of events.
ALTER TABLE datasets ADD COLUMN kind TEXT NOT NULL DEFAULT 'events';

-- How many customers a batch scored and left out, by reason, as JSON. NULL for batches of earlier versions.
ALTER TABLE prediction_batches ADD COLUMN coverage TEXT;
