-- Puts a settled row of the index before it. What is older than what stands here, was read too long ago or before the
-- key was revoked is not written: a command that was held up on its way may come late.
-- ARGV: now, the last moment to come, for how long it answers alone, then fields and values.
if now > number(ARGV[2]) then
  return { 'LATE' }
end
local entry = load()
if entry and number(entry.token) > number(ARGV[4]) then
  return { 'OLDER' }
end
if number(redis.call('HGET', name, 'closed_until') or '0') > now then
  return { 'CLOSED' }
end
local keep_until = number(ARGV[5])
if keep_until <= now then
  return { 'LATE' }
end
redis.call('DEL', name)
redis.call('HSET', name, 'fresh_until', text(now + number(ARGV[3])), unpack(ARGV, 6))
redis.call('PEXPIRE', name, text(math.ceil((keep_until - now) / 1000)))
tell()
return { 'OK' }
