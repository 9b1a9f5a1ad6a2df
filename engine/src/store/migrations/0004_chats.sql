-- Conversations in text. A session is one that goes on; a chat is one exchange, in a session, behind
-- another chat, or by itself. Neither refers to rows that might be deleted before it.

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    name TEXT,
    assistant_id TEXT,
    phone_number_id TEXT
);
CREATE INDEX sessions_by_age ON sessions (organisation_id, created_at);

CREATE TABLE chats (
    id TEXT PRIMARY KEY,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    assistant_id TEXT,
    session_id TEXT,
    previous_chat_id TEXT
);
CREATE INDEX chats_by_age ON chats (organisation_id, created_at);
CREATE INDEX chats_by_session ON chats (session_id, created_at);

-- What is counted about a call, as JSON: a fraction of its document. NULL: an older version wrote it.
ALTER TABLE calls ADD COLUMN facts TEXT;

-- When a scheduled call is placed; NULL: it was not scheduled.
ALTER TABLE calls ADD COLUMN due_at BIGINT;
CREATE INDEX calls_by_due ON calls (status, due_at);
