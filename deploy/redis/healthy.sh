REDISCLI_AUTH=$(cat /store-secrets/redis-password)
export REDISCLI_AUTH
[ "$(redis-cli ping)" = PONG ]
