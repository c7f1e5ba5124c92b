-- Keeps a worker's result on the key of its call, under no token where the key is another's. ARGV: now, holder, result.
local entry = load()
if not entry or is_free(entry) then
  return { 'NOT_FOUND' }
end
if entry.holder == ARGV[2] then
  keep_evidence(entry, entry.token, ARGV[3])
  return { 'OK' }
end
keep_evidence(entry, '0', ARGV[3])
return fenced(entry)
