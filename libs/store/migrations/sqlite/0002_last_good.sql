-- The last good result of a tool with given arguments: what a plan's `last_good` stands in with. One row a key, the
-- newest; written by plans that have such a fallback, and kept only as long as one of them may ask for it.
CREATE TABLE last_good (
    no          INTEGER PRIMARY KEY,
    namespace   TEXT NOT NULL,
    tool        TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    task        BLOB NOT NULL CHECK (length(task) = 16),
    call        TEXT NOT NULL,
    at          INTEGER NOT NULL,
    keep_until  INTEGER NOT NULL,
    result      TEXT NOT NULL,
    blob        INTEGER REFERENCES blobs (no),
    UNIQUE (namespace, tool, fingerprint)
) STRICT;
CREATE INDEX last_good_by_end ON last_good (keep_until);
CREATE INDEX last_good_by_blob ON last_good (blob) WHERE blob IS NOT NULL;
