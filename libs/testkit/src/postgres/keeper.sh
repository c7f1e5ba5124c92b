# Runs a PostgreSQL server while somebody holds the lock file's shared lock, and stops it some seconds after the last
# of them has let go or was killed. Arguments: folder, port, seconds of grace, program folder, fsync.
set -u
folder=$1 port=$2 grace=$3 programs=$4 fsync=$5
as=
if [ "$(id -u)" = 0 ]; then as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
exec 9<>"$folder/users.lock"
cd "$folder" || exit 1
$as "$programs/postgres" -D "$folder/data" -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 \
    -c fsync="$fsync" -c max_connections=400 -c shared_buffers=64MB -c max_wal_size=2GB \
    </dev/null >>"$folder/log" 2>&1 9>&- &
server=$!
echo "$server" >"$folder/server.pid"
while :; do
    flock -x 9
    if [ "$grace" = 0 ]; then break; fi
    flock -u 9
    sleep "$grace" 9>&-
    flock -n -x 9 && break
done
kill -INT "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$folder/data" "$folder/ready"
# A private server whose test was killed: nobody else removes its folder.
if [ "$grace" = 0 ] && [ ! -e "$folder/released" ]; then cd / && rm -rf "$folder"; fi
