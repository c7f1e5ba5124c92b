-- Keeps a worker's result on the key of its call. ARGV: now, holder, result.
local entry = load()
if not entry or is_free(entry) then
  return { 'NOT_FOUND' }
end
keep_evidence(entry, entry.token, ARGV[3])
if entry.holder == ARGV[2] then
  return { 'OK' }
end
return fenced(entry)
