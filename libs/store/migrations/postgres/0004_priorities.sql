-- How soon a task is claimed, among those of its namespace: 1 goes first.
ALTER TABLE tasks ADD COLUMN priority smallint NOT NULL DEFAULT 3;

-- Where more tasks wait than a claim takes, each namespace has its turn, and its best priority goes first.
CREATE INDEX tasks_turns ON tasks (namespace, priority, wake_at) WHERE owner IS NULL AND wake_at IS NOT NULL;
