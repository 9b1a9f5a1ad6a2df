-- Moments are whole microseconds since 1970 in UTC. Documents are JSON. Written for SQLite and
-- PostgreSQL alike.

CREATE TABLE organisations (
    id TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- Keys are kept as their SHA-256.
CREATE TABLE api_keys (
    hash TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    kind TEXT NOT NULL CHECK (kind IN ('private', 'public')),
    created_at BIGINT NOT NULL
);

-- What this installation signs with.
CREATE TABLE signing_keys (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE assistants (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX assistants_by_age ON assistants (organisation_id, created_at);

CREATE TABLE tools (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX tools_by_age ON tools (organisation_id, created_at);

CREATE TABLE phone_numbers (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    -- E.164. A call says only which number it reached, so a number has one owner.
    number TEXT UNIQUE
);
CREATE INDEX phone_numbers_by_age ON phone_numbers (organisation_id, created_at);

CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    status TEXT NOT NULL,
    carrier_call TEXT NOT NULL UNIQUE,
    assistant_id TEXT,
    phone_number_id TEXT,
    -- The assistant as it was when the call came in.
    assistant TEXT NOT NULL,
    -- The number, without its secrets.
    phone_number TEXT,
    -- Where messages about the call go, and which; NULL: nowhere.
    subscription TEXT
);
CREATE INDEX calls_by_age ON calls (organisation_id, created_at);
CREATE INDEX calls_by_assistant ON calls (assistant_id, created_at);
CREATE INDEX calls_by_phone_number ON calls (phone_number_id, created_at);
CREATE INDEX calls_by_status ON calls (status);

-- Messages on their way to a customer's server. A row is deleted once it was taken.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL REFERENCES calls (id),
    -- Counts a call's messages; they are delivered in this order.
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    -- pending, or failed: given up, and kept.
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    last_error TEXT,
    UNIQUE (call_id, sequence)
);
CREATE INDEX outbox_by_due ON outbox (state, due_at);
