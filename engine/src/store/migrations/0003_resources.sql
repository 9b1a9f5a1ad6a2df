CREATE TABLE squads (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX squads_by_age ON squads (organisation_id, created_at);

-- Their documents are sealed.
CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX credentials_by_age ON credentials (organisation_id, created_at);

-- What is in a file is in the object store, under its id.
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX files_by_age ON files (organisation_id, created_at);

CREATE TABLE knowledge_bases (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX knowledge_bases_by_age ON knowledge_bases (organisation_id, created_at);

CREATE TABLE structured_outputs (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX structured_outputs_by_age ON structured_outputs (organisation_id, created_at);

-- A key's name among others, what it is called, and what a public one may do, as JSON; NULL:
-- everything.
ALTER TABLE api_keys ADD COLUMN id TEXT;
ALTER TABLE api_keys ADD COLUMN name TEXT;
ALTER TABLE api_keys ADD COLUMN restrictions TEXT;
-- The key itself, sealed: tokens are signed with it. NULL: it was made before there was a seal.
ALTER TABLE api_keys ADD COLUMN sealed TEXT;
-- start: configured, or made at the first start; api: made by a request.
ALTER TABLE api_keys ADD COLUMN made_by TEXT NOT NULL DEFAULT 'start';
CREATE INDEX api_keys_by_organisation ON api_keys (organisation_id, kind);

ALTER TABLE organisations ADD COLUMN name TEXT;
