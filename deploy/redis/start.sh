# The password goes in by a file that only the server reads: a command line is seen by every process of the machine.
exec redis-server - <<END
include /etc/redis/redis.conf
requirepass $(cat /store-secrets/redis-password)
END
