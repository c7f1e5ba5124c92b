-- The store's first shape. Migrations only add; a change that an older binary can't live with raises meta.format.
-- Only what PostgreSQL, CockroachDB and YugabyteDB all take: no triggers, no procedures, no numbers without need.
-- Times are microseconds since 1970; ids are 16 bytes.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

INSERT INTO meta (name, value) VALUES ('format', '1');

-- Sessions of orchestrator instances. A row outlives its session until no task refers to it, so that a claim of a
-- dead session is found by its instance.
CREATE TABLE sessions (
    instance BYTEA PRIMARY KEY,
    until    BIGINT NOT NULL
);

-- Rows of tasks.
CREATE TABLE tasks (
    id           BYTEA PRIMARY KEY CHECK (length(id) = 16),
    epoch        BIGINT NOT NULL,
    last_seq     BIGINT NOT NULL,
    wake_at      BIGINT,
    submitted_at BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    finished_at  BIGINT,
    barren_lives BIGINT NOT NULL DEFAULT 0,
    -- Whether the present life has had an outcome.
    fertile      BOOLEAN NOT NULL DEFAULT false,
    owner        BYTEA,
    instance     BYTEA REFERENCES sessions (instance),
    last_append  BYTEA,
    -- The instance whose life was counted as barren by the last claim: taken back if that instance turns out to live.
    lost_from    BYTEA,
    status       TEXT NOT NULL
        CHECK (status IN ('QUEUED', 'RUNNING', 'WAITING', 'COMPENSATING', 'QUARANTINED', 'FINISHED')),
    outcome      TEXT
        CHECK (outcome IN ('SUCCEEDED', 'DEGRADED', 'FAILED', 'COMPENSATED', 'COMPENSATION_FAILED', 'CANCELLED',
                           'DEADLINE_EXCEEDED')),
    waits_for    TEXT,
    -- What lists filter by: how it ended, or where it is.
    state        TEXT NOT NULL GENERATED ALWAYS AS (coalesce(outcome, status)) STORED,
    -- How the last life ended; while a claim holds: how the one before it did.
    previous     TEXT NOT NULL DEFAULT 'NONE' CHECK (previous IN ('NONE', 'RELEASED', 'LOST')),
    namespace    TEXT NOT NULL,
    name         TEXT NOT NULL,
    digest       TEXT NOT NULL,
    labels       JSONB NOT NULL
);

-- Waiting tasks cost nothing: each of these holds only the rows that its question is about.
CREATE INDEX tasks_wake ON tasks (wake_at) WHERE owner IS NULL AND wake_at IS NOT NULL;
CREATE INDEX tasks_instance ON tasks (instance) WHERE instance IS NOT NULL;
CREATE INDEX tasks_lost ON tasks (lost_from) WHERE lost_from IS NOT NULL;
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at IS NOT NULL;
-- Lists, newest first.
CREATE INDEX tasks_by_time ON tasks (submitted_at, id);
CREATE INDEX tasks_by_state ON tasks (state, submitted_at, id);
CREATE INDEX tasks_by_namespace ON tasks (namespace, submitted_at, id);
CREATE INDEX tasks_by_namespace_state ON tasks (namespace, state, submitted_at, id);

-- How many unfinished tasks a namespace has: the sum over its shards, one for each writer, so that replicas don't
-- wait for each other at one row. A shard alone may be negative.
CREATE TABLE queues (
    namespace  TEXT NOT NULL,
    shard      INTEGER NOT NULL,
    unfinished BIGINT NOT NULL,
    PRIMARY KEY (namespace, shard)
);

-- Events. No foreign key to tasks: a removed task's events go after it, in small batches.
CREATE TABLE events (
    task  BYTEA NOT NULL,
    seq   BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    at    BIGINT NOT NULL,
    v     BIGINT NOT NULL,
    kind  TEXT NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (task, seq)
);

-- Removed tasks whose events have not all gone.
CREATE TABLE removed_tasks (
    task BYTEA PRIMARY KEY
);

-- The newest snapshot of each task.
CREATE TABLE snapshots (
    task BYTEA PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    seq  BIGINT NOT NULL,
    v    BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- Inboxes. A handled message stays, empty, so that its repeat is the same message and not a second one.
CREATE TABLE inbox (
    id      BYTEA PRIMARY KEY CHECK (length(id) = 16),
    task    BYTEA NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    -- The order of arrival: given out under the lock of the task's row.
    no      BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    handled BOOLEAN NOT NULL DEFAULT false,
    body    TEXT NOT NULL
);
CREATE INDEX inbox_waiting ON inbox (task, no) WHERE NOT handled;
CREATE INDEX inbox_by_task ON inbox (task);

-- Blobs. Content stands apart: a touch must not rewrite it.
CREATE TABLE blobs (
    sha256     BYTEA PRIMARY KEY CHECK (length(sha256) = 32),
    size       BIGINT NOT NULL,
    touched_at BIGINT NOT NULL
);
CREATE INDEX blobs_by_touch ON blobs (touched_at);

CREATE TABLE blob_contents (
    sha256  BYTEA PRIMARY KEY REFERENCES blobs (sha256) ON DELETE CASCADE,
    content BYTEA NOT NULL
);

CREATE TABLE blob_refs (
    task   BYTEA NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    sha256 BYTEA NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (task, sha256)
);
CREATE INDEX blob_refs_by_blob ON blob_refs (sha256);

-- The key table: one row a key, of its current generation. No attempts: the generation is free.
CREATE TABLE keys (
    key          TEXT COLLATE "C" PRIMARY KEY,
    generation   BIGINT NOT NULL,
    epoch        BIGINT NOT NULL,
    token        BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    answered     BIGINT NOT NULL,
    since        BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    lease_until  BIGINT,
    keep_until   BIGINT,
    -- Kept while its holder's task is, whatever keep_until says.
    pinned       BOOLEAN NOT NULL,
    holder_task  BYTEA,
    holder_name  TEXT NOT NULL,
    first_task   BYTEA,
    first_name   TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('OPEN', 'DONE', 'FAILED_FINAL', 'IN_DOUBT', 'TOMBSTONE')),
    -- The result of DONE, the failure of FAILED_FINAL, as JSON.
    detail       TEXT,
    blob         BYTEA REFERENCES blobs (sha256)
);
CREATE INDEX keys_by_end ON keys (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX keys_by_blob ON keys (blob) WHERE blob IS NOT NULL;

CREATE TABLE key_evidence (
    no     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key    TEXT COLLATE "C" NOT NULL REFERENCES keys (key) ON DELETE CASCADE,
    token  BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    result TEXT NOT NULL,
    blob   BYTEA REFERENCES blobs (sha256)
);
CREATE INDEX key_evidence_by_key ON key_evidence (key);
CREATE INDEX key_evidence_by_blob ON key_evidence (blob) WHERE blob IS NOT NULL;

-- Checkpoints of agents that Holdfast does not run.
CREATE TABLE checkpoints (
    namespace TEXT NOT NULL,
    thread    TEXT NOT NULL,
    id        TEXT COLLATE "C" NOT NULL,
    parent    TEXT,
    at        BIGINT NOT NULL,
    content   TEXT NOT NULL,
    metadata  TEXT NOT NULL,
    blob      BYTEA REFERENCES blobs (sha256),
    PRIMARY KEY (namespace, thread, id)
);
CREATE INDEX checkpoints_by_blob ON checkpoints (blob) WHERE blob IS NOT NULL;

CREATE TABLE checkpoint_writes (
    namespace TEXT NOT NULL,
    thread    TEXT NOT NULL,
    id        TEXT COLLATE "C" NOT NULL,
    writer    TEXT NOT NULL,
    position  BIGINT NOT NULL,
    channel   TEXT NOT NULL,
    value     TEXT NOT NULL,
    blob      BYTEA REFERENCES blobs (sha256),
    PRIMARY KEY (namespace, thread, id, writer, position),
    FOREIGN KEY (namespace, thread, id) REFERENCES checkpoints (namespace, thread, id) ON DELETE CASCADE
);
CREATE INDEX checkpoint_writes_by_blob ON checkpoint_writes (blob) WHERE blob IS NOT NULL;
