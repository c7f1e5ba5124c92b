-- Prolongs a lease; one that ran out goes on where nobody has taken the key since. ARGV: now, token, lease.
local entry = load()
if not entry or is_free(entry) then
  return { 'NOT_FOUND' }
end
if entry.token ~= ARGV[2] or entry.state ~= 'OPEN' then
  return fenced(entry)
end
if not is_call(entry.holder) then
  entry.lease_until = text(now + number(ARGV[3]))
  save(entry)
end
return { 'OK' }
