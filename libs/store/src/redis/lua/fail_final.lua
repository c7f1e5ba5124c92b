-- Records a failure for good. A call of a task is settled by its driver alone. ARGV: now, token, failure, retention.
local token, failure, retention = ARGV[2], ARGV[3], ARGV[4]
local entry = seen(load())
if not entry or is_free(entry) then
  return { 'NOT_FOUND' }
end
if entry.token == token and entry.state == 'FAILED_FINAL' and entry.detail == failure then
  return { 'OK' }
end
if entry.token ~= token or is_call(entry.holder) or not is_unsettled(entry) then
  return fenced(entry)
end
settle(entry, 'FAILED_FINAL', failure, retention)
return { 'OK' }
