-- Asks for the right to run an operation. ARGV: now, holder, fingerprint, epoch, lease, VERIFY or REPORT, and the
-- generation that is to be repeated, or empty.
local holder, fingerprint, epoch, lease, resolve = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local repeated = ARGV[7]
local lease_until = is_call(holder) and '' or text(now + number(lease))
local entry = seen(load())

local generation = entry and entry.generation or '1'
local opens = not entry or is_free(entry)

-- A repeat opens the generation after the one that it names; who comes second finds it open, or ended.
if repeated ~= '' then
  local after = text(number(repeated) + 1)
  if is_call(holder) or not entry or repeated == '0' then
    return { 'NOT_ENDED' }
  end
  if generation ~= after then
    if generation ~= repeated or opens or is_unsettled(entry) then
      return { 'NOT_ENDED' }
    end
    local same = entry.fingerprint == '' or entry.fingerprint == fingerprint
    if same and entry.state ~= 'TOMBSTONE' then
      opens, generation = true, after
    end
  end
end

if opens then
  local token = token_after(entry and entry.token or '0')
  save({
    generation = generation,
    holder = holder, first = holder, epoch = epoch, token = token, attempts = '1',
    fingerprint = fingerprint, state = 'OPEN', detail = '', lease_until = lease_until,
    since = text(now), changed_at = text(now), keep_until = '', answered = '0', pinned = '0',
  })
  return { 'ACQUIRED', token, '0', '0' }
end
if entry.fingerprint ~= '' and entry.fingerprint ~= fingerprint then
  return { 'MISMATCH', entry.fingerprint }
end
if entry.state == 'DONE' then
  return { 'DONE', entry.detail, entry.changed_at }
end
if entry.state == 'FAILED_FINAL' then
  return { 'FAILED_FINAL', entry.detail }
end
if entry.state == 'TOMBSTONE' then
  return { 'TOMBSTONE' }
end

-- The same call of a task goes on under a higher epoch, and is told the same again under the same one.
if entry.holder == holder and is_call(holder) then
  if number(epoch) < number(entry.epoch) then
    return { 'IN_PROGRESS', holder, '' }
  end
  local earlier = entry.attempts
  if number(epoch) == number(entry.epoch) and entry.state == 'OPEN' then
    return { 'ACQUIRED', entry.token, '0', text(math.max(0, number(earlier) - 1)) }
  end
  entry.token = token_after(entry.token)
  entry.epoch = epoch
  entry.attempts = text(number(earlier) + 1)
  entry.state = 'OPEN'
  entry.changed_at = text(now)
  save(entry)
  return { 'ACQUIRED', entry.token, '1', earlier }
end
if entry.state == 'OPEN' then
  return { 'IN_PROGRESS', entry.holder, entry.lease_until }
end

-- In doubt. Who asks to verify holds the key while it probes; the first holder is remembered. What a task's call has
-- left in doubt is its driver's to settle.
local attempts = entry.attempts
if resolve ~= 'VERIFY' or is_call(entry.holder) or is_call(holder) then
  return { 'IN_DOUBT', entry.first, entry.since, attempts, '' }
end
entry.token = token_after(entry.token)
entry.holder = holder
entry.epoch = epoch
entry.attempts = text(number(attempts) + 1)
entry.state = 'OPEN'
entry.lease_until = lease_until
entry.changed_at = text(now)
save(entry)
return { 'IN_DOUBT', entry.first, entry.since, attempts, entry.token }
