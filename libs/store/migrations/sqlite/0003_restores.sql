-- Restores of older backups, as an operator has marked them: what happened in between is in no journal.
CREATE TABLE restores (
    restored_at INTEGER PRIMARY KEY NOT NULL,
    marked_at   INTEGER NOT NULL,
    marked_by   TEXT NOT NULL
) STRICT;
