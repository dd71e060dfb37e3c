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

-- One row per message. The key is flow << 32 | sequence, so that a flow's messages lie together and in order without
-- a second index. The payload stands last: whoever reads the other columns does not read its pages.
--
-- `bits`, from the lowest:
--    0..=3  kind: 0 upgrade request, 1 upgrade response, 2 text, 3 binary, 4 Close, 5 Ping, 6 Pong, 7 unknown,
--           8 request, 9 response
--    4      direction: 0 client to server, 1 server to client
--    5..=7  fate: 0 sent, 1 replaced, 2 dropped, 3 blocked, 4 injected
--    8      masked
--    9      compressed
--   10      not UTF-8 though sent as text
--   11      cut
--   12      the opcode is the one that belongs to the kind (text 1, binary 2, Close 8, Ping 9, Pong 10)
--   13      the opcode stands in bits 16..=23; neither 12 nor 13: there is none
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    bits       INTEGER NOT NULL,
    wire_bytes INTEGER NOT NULL,
    size       INTEGER,                             -- NULL: the payload's length
    frames     INTEGER,                             -- NULL: 1
    facts      TEXT,                                -- JSON {"decided_by":..,"violation":..,"more":{..}}, absent ones left out; NULL: none
    head       TEXT,
    original   ANY,                                 -- TEXT or BLOB as payload; NULL: nothing was replaced
    payload    ANY     NOT NULL                     -- TEXT: text; BLOB: bytes
) STRICT;

-- Flows of which not everything is in the index yet: every message from `sequence` on is not. Every active flow is here.
CREATE TABLE unindexed (
    flow     INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT;

-- Messages that came on record after the index had passed their place: ids of messages that are not indexed either.
CREATE TABLE latecomers (
    id INTEGER PRIMARY KEY
) STRICT;

-- Flows that retention has taken out of `flows` and whose messages it is deleting step by step.
CREATE TABLE expired (
    flow INTEGER PRIMARY KEY
) STRICT;

-- The words of text payloads; the rowid is the message's id. Contentless: the text itself stands in `messages` only.
CREATE VIRTUAL TABLE words USING fts5 (
    body,
    content = '',
    contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2'
);
