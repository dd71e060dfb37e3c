-- Migration 1: the first schema.
--
-- Points in time are microseconds since 1970-01-01 UTC.

-- One row per connection or HTTP exchange. AUTOINCREMENT: the id of a deleted flow is never given out again.
CREATE TABLE flows (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    protocol          TEXT    NOT NULL,             -- websocket, http
    flow_type         TEXT    NOT NULL,             -- bidirectional, unary, tunnel
    started_at        INTEGER NOT NULL,
    url               TEXT    NOT NULL,
    subprotocol       TEXT,
    extensions        TEXT,
    mode              TEXT    NOT NULL,
    client_addr       TEXT    NOT NULL,
    server_addr       TEXT,
    tls               TEXT,                         -- JSON {"client":{..}|null,"server":{..}|null}; NULL: both legs plain
    messages_sent     INTEGER NOT NULL DEFAULT 0,
    messages_received INTEGER NOT NULL DEFAULT 0,
    bytes_sent        INTEGER NOT NULL DEFAULT 0,
    bytes_received    INTEGER NOT NULL DEFAULT 0,
    messages_lost     INTEGER NOT NULL DEFAULT 0,
    ended_at          INTEGER,                      -- NULL: active
    state             TEXT,                         -- complete, error; NULL: active
    error             TEXT,
    close_by          TEXT,                         -- client, server, proxy; NULL: no Close
    close_code        INTEGER,
    close_reason      TEXT
) STRICT;

-- For retention, which deletes what ended first.
CREATE INDEX flows_ended ON flows (ended_at) WHERE ended_at IS NOT NULL;

-- Messages of one flow whose sequences follow one another, packed: src/store/block/message.rs says how. The key is that of
-- the first one, flow << 32 | sequence, so that a flow's messages lie together and in order without a second index. The
-- blocks of a flow do not overlap.
CREATE TABLE blocks (
    id       INTEGER PRIMARY KEY,
    count    INTEGER NOT NULL,
    messages BLOB    NOT NULL
) STRICT;

-- Flows of which not everything is in the index yet: every message from `sequence` on is not. Every active flow is here.
CREATE TABLE unindexed (
    flow     INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT;

-- Messages that came on record after the index had passed their place: their flow << 32 | sequence. They are not indexed
-- either.
CREATE TABLE latecomers (
    id INTEGER PRIMARY KEY
) STRICT;

-- Flows that retention has taken out of `flows` and whose messages it is deleting step by step.
CREATE TABLE expired (
    flow INTEGER PRIMARY KEY
) STRICT;

-- The words of text payloads; the rowid is the message's flow << 32 | sequence. Contentless: the text itself stands
-- in `blocks` only.
CREATE VIRTUAL TABLE words USING fts5 (
    body,
    content = '',
    contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2'
);
