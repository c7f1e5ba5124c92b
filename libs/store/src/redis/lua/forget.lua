-- Removes a key with the evidence on it: an operator's act. What is open for a call is its driver's.
local entry = load()
if not entry or (is_free(entry) and entry.generation == '1') then
  return { 'NOT_FOUND' }
end
if is_call(entry.holder) and not is_free(entry) and entry.state == 'OPEN' then
  return { 'HELD', entry.holder }
end
redis.call('DEL', name)
tell()
return { 'OK' }
