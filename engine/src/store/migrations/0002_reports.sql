-- 1: the call is over and its report is not written yet, because a model is asked about it.
ALTER TABLE calls ADD COLUMN awaits_report BIGINT NOT NULL DEFAULT 0;
CREATE INDEX calls_awaiting_report ON calls (awaits_report);
