-- Takes one attempt back. Each release has a new token after it, so that its repeat takes back nothing more.
-- ARGV: now, token.
local entry = seen(load())
if not entry or is_free(entry) then
  return { 'NOT_FOUND' }
end
if entry.token ~= ARGV[2] or not is_unsettled(entry) then
  return fenced(entry)
end
entry.token = text(number(entry.token) + 1)
if number(entry.attempts) <= 1 then
  set_free(entry, TOKEN_MEMORY)
else
  entry.attempts = text(number(entry.attempts) - 1)
  entry.state = 'IN_DOUBT'
  entry.lease_until = ''
  entry.changed_at = text(now)
  entry.holder = entry.first
end
save(entry)
tell()
return { 'OK' }
