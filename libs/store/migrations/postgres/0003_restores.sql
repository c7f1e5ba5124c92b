-- Restores of older backups, as an operator has marked them: what happened in between is in no journal.
CREATE TABLE restores (
    restored_at BIGINT PRIMARY KEY,
    marked_at   BIGINT NOT NULL,
    marked_by   TEXT NOT NULL
);
