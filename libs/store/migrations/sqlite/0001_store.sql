-- The store's first shape. Migrations only add; a change that an older binary can't live with raises meta.format.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('format', '1');

-- Sessions of orchestrator instances. A row outlives its session until no task refers to it, so that a claim of a
-- dead session is found by its instance.
CREATE TABLE sessions (
    instance BLOB PRIMARY KEY NOT NULL CHECK (length(instance) = 16),
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows of tasks. AUTOINCREMENT: a removed task's number is never given out again, since its events go later.
CREATE TABLE tasks (
    no           INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    namespace    TEXT NOT NULL,
    name         TEXT NOT NULL,
    labels       TEXT NOT NULL,
    digest       TEXT NOT NULL,
    status       TEXT NOT NULL
        CHECK (status IN ('QUEUED', 'RUNNING', 'WAITING', 'COMPENSATING', 'QUARANTINED', 'FINISHED')),
    outcome      TEXT
        CHECK (outcome IN ('SUCCEEDED', 'DEGRADED', 'FAILED', 'COMPENSATED', 'COMPENSATION_FAILED', 'CANCELLED',
                           'DEADLINE_EXCEEDED')),
    waits_for    TEXT,
    -- What lists filter by: how it ended, or where it is.
    state        TEXT NOT NULL GENERATED ALWAYS AS (coalesce(outcome, status)) VIRTUAL,
    epoch        INTEGER NOT NULL,
    owner        BLOB CHECK (owner IS NULL OR length(owner) = 16),
    instance     BLOB REFERENCES sessions (instance),
    last_seq     INTEGER NOT NULL,
    last_append  BLOB,
    wake_at      INTEGER,
    submitted_at INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    barren_lives INTEGER NOT NULL DEFAULT 0,
    -- How the last life ended; while a claim holds: how the one before it did.
    previous     TEXT NOT NULL DEFAULT 'NONE' CHECK (previous IN ('NONE', 'RELEASED', 'LOST')),
    -- Whether the present life has had an outcome.
    fertile      INTEGER NOT NULL DEFAULT 0,
    -- The instance whose life was counted as barren by the last claim: taken back if that instance turns out to live.
    lost_from    BLOB
) STRICT;

-- Waiting tasks cost nothing: each of these holds only the rows that its question is about.
CREATE INDEX tasks_wake ON tasks (wake_at) WHERE owner IS NULL AND wake_at IS NOT NULL;
CREATE INDEX tasks_owned ON tasks (instance, owner) WHERE owner IS NOT NULL;
CREATE INDEX tasks_lost ON tasks (lost_from) WHERE lost_from IS NOT NULL;
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at IS NOT NULL;
-- Foreign keys of sessions look their children up here.
CREATE INDEX tasks_instance ON tasks (instance) WHERE instance IS NOT NULL;
-- Lists, newest first.
CREATE INDEX tasks_by_time ON tasks (submitted_at, no);
CREATE INDEX tasks_by_state ON tasks (state, submitted_at, no);
CREATE INDEX tasks_by_namespace ON tasks (namespace, submitted_at, no);
CREATE INDEX tasks_by_namespace_state ON tasks (namespace, state, submitted_at, no);

-- How many unfinished tasks a namespace has.
CREATE TABLE queues (
    namespace  TEXT PRIMARY KEY NOT NULL,
    unfinished INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER queue_on_insert AFTER INSERT ON tasks WHEN new.status <> 'FINISHED' BEGIN
    INSERT INTO queues (namespace, unfinished) VALUES (new.namespace, 1)
        ON CONFLICT (namespace) DO UPDATE SET unfinished = unfinished + 1;
END;
CREATE TRIGGER queue_on_finish AFTER UPDATE OF status ON tasks
WHEN old.status <> 'FINISHED' AND new.status = 'FINISHED' BEGIN
    UPDATE queues SET unfinished = unfinished - 1 WHERE namespace = new.namespace;
END;
CREATE TRIGGER queue_on_reopen AFTER UPDATE OF status ON tasks
WHEN old.status = 'FINISHED' AND new.status <> 'FINISHED' BEGIN
    UPDATE queues SET unfinished = unfinished + 1 WHERE namespace = new.namespace;
END;
CREATE TRIGGER queue_on_delete AFTER DELETE ON tasks WHEN old.status <> 'FINISHED' BEGIN
    UPDATE queues SET unfinished = unfinished - 1 WHERE namespace = old.namespace;
END;

-- Events in the order of appends: a table clustered by task halves the throughput of a grouped commit. No foreign
-- key to tasks: a removed task's events go after it, in small batches.
CREATE TABLE events (
    no    INTEGER PRIMARY KEY,
    task  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    v     INTEGER NOT NULL,
    body  TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_task ON events (task, seq);

-- Removed tasks whose events have not all gone.
CREATE TABLE removed_tasks (
    no INTEGER PRIMARY KEY
) STRICT;

-- The newest snapshot of each task.
CREATE TABLE snapshots (
    task INTEGER PRIMARY KEY REFERENCES tasks (no) ON DELETE CASCADE,
    seq  INTEGER NOT NULL,
    v    INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- Inboxes. A handled message stays, empty, so that its repeat is the same message and not a second one.
CREATE TABLE inbox (
    no      INTEGER PRIMARY KEY,
    id      BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    task    INTEGER NOT NULL REFERENCES tasks (no) ON DELETE CASCADE,
    handled INTEGER NOT NULL DEFAULT 0,
    body    TEXT NOT NULL
) STRICT;
CREATE INDEX inbox_waiting ON inbox (task, no) WHERE handled = 0;
CREATE INDEX inbox_by_task ON inbox (task);

-- Blobs. Content stands apart: a touch must not rewrite it.
CREATE TABLE blobs (
    no         INTEGER PRIMARY KEY,
    sha256     BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    size       INTEGER NOT NULL,
    touched_at INTEGER NOT NULL
) STRICT;
CREATE INDEX blobs_by_touch ON blobs (touched_at);

CREATE TABLE blob_contents (
    blob    INTEGER PRIMARY KEY REFERENCES blobs (no) ON DELETE CASCADE,
    content BLOB NOT NULL
) STRICT;

CREATE TABLE blob_refs (
    task INTEGER NOT NULL REFERENCES tasks (no) ON DELETE CASCADE,
    blob INTEGER NOT NULL REFERENCES blobs (no),
    PRIMARY KEY (task, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_refs_by_blob ON blob_refs (blob);

-- The key table: one row a key, of its current generation. No attempts: the generation is free.
CREATE TABLE keys (
    no           INTEGER PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,
    generation   INTEGER NOT NULL,
    holder_task  BLOB,
    holder_name  TEXT NOT NULL,
    first_task   BLOB,
    first_name   TEXT NOT NULL,
    epoch        INTEGER NOT NULL,
    token        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    fingerprint  TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('OPEN', 'DONE', 'FAILED_FINAL', 'IN_DOUBT', 'TOMBSTONE')),
    -- The result of DONE, the failure of FAILED_FINAL, as JSON.
    detail       TEXT,
    lease_until  INTEGER,
    since        INTEGER NOT NULL,
    changed_at   INTEGER NOT NULL,
    keep_until   INTEGER,
    answered     INTEGER NOT NULL,
    -- 1: kept while its holder's task is, whatever keep_until says.
    pinned       INTEGER NOT NULL,
    blob         INTEGER REFERENCES blobs (no)
) STRICT;
CREATE INDEX keys_by_end ON keys (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX keys_by_blob ON keys (blob) WHERE blob IS NOT NULL;

CREATE TABLE key_evidence (
    no     INTEGER PRIMARY KEY,
    key    TEXT NOT NULL REFERENCES keys (key) ON DELETE CASCADE,
    token  INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    result TEXT NOT NULL,
    blob   INTEGER REFERENCES blobs (no)
) STRICT;
CREATE INDEX key_evidence_by_key ON key_evidence (key);
CREATE INDEX key_evidence_by_blob ON key_evidence (blob) WHERE blob IS NOT NULL;

-- Checkpoints of agents that Holdfast does not run.
CREATE TABLE checkpoints (
    namespace TEXT NOT NULL,
    thread    TEXT NOT NULL,
    id        TEXT NOT NULL,
    parent    TEXT,
    at        INTEGER NOT NULL,
    content   TEXT NOT NULL,
    metadata  TEXT NOT NULL,
    blob      INTEGER REFERENCES blobs (no),
    PRIMARY KEY (namespace, thread, id)
) STRICT;
CREATE INDEX checkpoints_by_blob ON checkpoints (blob) WHERE blob IS NOT NULL;

CREATE TABLE checkpoint_writes (
    namespace TEXT NOT NULL,
    thread    TEXT NOT NULL,
    id        TEXT NOT NULL,
    writer    TEXT NOT NULL,
    position  INTEGER NOT NULL,
    channel   TEXT NOT NULL,
    value     TEXT NOT NULL,
    blob      INTEGER REFERENCES blobs (no),
    PRIMARY KEY (namespace, thread, id, writer, position),
    FOREIGN KEY (namespace, thread, id) REFERENCES checkpoints (namespace, thread, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX checkpoint_writes_by_blob ON checkpoint_writes (blob) WHERE blob IS NOT NULL;
