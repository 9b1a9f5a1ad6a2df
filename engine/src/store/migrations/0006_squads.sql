-- The assistants of a call that has several, with everything merged.
CREATE TABLE call_squads (
    call_id TEXT PRIMARY KEY REFERENCES calls (id) ON DELETE CASCADE,
    squad TEXT NOT NULL
);
