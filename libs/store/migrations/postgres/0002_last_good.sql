-- The last good result of a tool with given arguments: what a plan's `last_good` stands in with. One row a key, the
-- newest; written by plans that have such a fallback, and kept only as long as one of them may ask for it.
CREATE TABLE last_good (
    namespace   TEXT NOT NULL,
    tool        TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task        BYTEA NOT NULL,
    call        TEXT NOT NULL,
    at          BIGINT NOT NULL,
    keep_until  BIGINT NOT NULL,
    result      TEXT NOT NULL,
    blob        BYTEA REFERENCES blobs (sha256),
    PRIMARY KEY (namespace, tool, fingerprint)
);
CREATE INDEX last_good_by_end ON last_good (keep_until);
CREATE INDEX last_good_by_blob ON last_good (blob) WHERE blob IS NOT NULL;
