-- What was said to the bot, what it answered, and what it still has to post.
-- Columns are TEXT, BIGINT and DOUBLE PRECISION only: SQLite and PostgreSQL read this same file.
-- Ids are UUIDv7, times are unix milliseconds.

-- Every inbound event, recorded before the platform is told that it arrived.
CREATE TABLE inbox (
    id            TEXT   NOT NULL PRIMARY KEY,
    platform      TEXT   NOT NULL,
    workspace     TEXT   NOT NULL,
    event         TEXT   NOT NULL,
    inbound       TEXT   NOT NULL,
    state         TEXT   NOT NULL CHECK (state IN ('pending', 'done')),
    outcome       TEXT,
    -- Who works on it, and until when nobody else may.
    claimed_by    TEXT   NOT NULL,
    claimed_until BIGINT NOT NULL,
    received_at   BIGINT NOT NULL,
    finished_at   BIGINT,
    -- Which attempt finished it, so that an attempt can recognise its own commit.
    finished_by   TEXT,
    UNIQUE (platform, workspace, event)
);
CREATE INDEX inbox_pending ON inbox (received_at, id) WHERE state = 'pending';
CREATE INDEX inbox_finished ON inbox (finished_at) WHERE state = 'done';

-- The turns of each conversation. `conversation` is one key for platform, workspace, channel, thread.
CREATE TABLE turns (
    id           TEXT   NOT NULL PRIMARY KEY,
    conversation TEXT   NOT NULL,
    speaker      TEXT   NOT NULL CHECK (speaker IN ('person', 'bot')),
    who          TEXT   NOT NULL,
    text         TEXT   NOT NULL,
    at           BIGINT NOT NULL
);
CREATE INDEX turns_of_a_conversation ON turns (conversation, id);
CREATE INDEX turns_by_age ON turns (at);

-- Replies on their way to a platform.
CREATE TABLE outbox (
    id           TEXT   NOT NULL PRIMARY KEY,
    dedupe_key   TEXT   NOT NULL UNIQUE,
    conversation TEXT   NOT NULL,
    card         TEXT   NOT NULL,
    -- Pictures as a JSON list of hexadecimal texts, in the order of the card's image blocks.
    pictures     TEXT   NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('waiting', 'delivered', 'abandoned')),
    attempts     BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    reason       TEXT,
    message      TEXT,
    created_at   BIGINT NOT NULL,
    settled_at   BIGINT
);
CREATE INDEX outbox_due ON outbox (due_at, id) WHERE state = 'waiting';
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE state <> 'waiting';
