-- Records a result. A call of a task is settled by its driver: there the result is evidence.
-- ARGV: now, token, result, retention.
local token, result, retention = ARGV[2], ARGV[3], ARGV[4]
local entry = seen(load())
if not entry or is_free(entry) then
  return { 'NOT_FOUND' }
end
local current = entry.token == token
if current and entry.state == 'DONE' and entry.detail == result then
  return { 'OK' }
end
if not current or is_call(entry.holder) or not is_unsettled(entry) then
  keep_evidence(entry, token, result)
  if current and is_call(entry.holder) then
    return { 'OK' }
  end
  return fenced(entry)
end
settle(entry, 'DONE', result, retention)
return { 'OK' }
