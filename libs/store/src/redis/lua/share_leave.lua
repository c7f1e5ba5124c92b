-- A replica goes: its place is free at once, what it published stays. Keys as of share.lua's first and third.
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'until', '0')
end
redis.call('HDEL', KEYS[2], ARGV[1])
return 'OK'
