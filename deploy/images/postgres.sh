#!/bin/sh
# What docker-compose.yml uses of the entrypoint of PostgreSQL's official image.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # Moved into place when it is complete: a container that is killed meanwhile begins anew.
  rm -rf "$PGDATA.new"
  initdb --pgdata="$PGDATA.new" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 > /dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA.new/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -D "$PGDATA.new" postgres > /dev/null
  mv "$PGDATA.new" "$PGDATA"
fi
exec "$@"
