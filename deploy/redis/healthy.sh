REDISCLI_AUTH=$(cat /secrets/redis-password)
export REDISCLI_AUTH
[ "$(redis-cli ping)" = PONG ]
