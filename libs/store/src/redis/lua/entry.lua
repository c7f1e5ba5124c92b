-- What all scripts share: one key is one hash, KEYS[1]; the rules are those of `rules::keys`.
-- ARGV[1] is the time in microseconds, or empty: then it is Redis's own. Numbers stand as decimal text: a double holds
-- microseconds and tokens exactly until the year 2255.
local name = KEYS[1]
local FIELDS = {
  'generation', 'holder', 'first', 'epoch', 'token', 'attempts', 'fingerprint', 'state', 'detail',
  'lease_until', 'since', 'changed_at', 'keep_until', 'answered', 'pinned',
}
-- `rules::keys::TOKEN_MEMORY`.
local TOKEN_MEMORY = 24 * 3600 * 1000000
-- As in every backend: the newest are kept.
local MOST_EVIDENCE = 16

local function text(number)
  return string.format('%.0f', number)
end

local function number(text)
  return tonumber(text) or 0
end

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function is_call(holder)
  return string.sub(holder, 1, 8) == '{"call":'
end

local function is_free(entry)
  return number(entry.attempts) == 0
end

local function is_unsettled(entry)
  return entry.state == 'OPEN' or entry.state == 'IN_DOUBT'
end

local function set_free(entry, remember)
  entry.state = 'OPEN'
  entry.detail = ''
  entry.attempts = '0'
  entry.answered = '0'
  entry.lease_until = ''
  entry.changed_at = text(now)
  entry.keep_until = text(now + remember)
  entry.pinned = '0'
end

-- The entry as it stands; nil where there is none.
local function load()
  local flat = redis.call('HGETALL', name)
  local entry = {}
  for i = 1, #flat, 2 do
    entry[flat[i]] = flat[i + 1]
  end
  if not entry.token then
    return nil
  end
  return entry
end

-- The entry as it is to be understood now: a lease that has run out leaves doubt, a retention that has passed nothing.
local function seen(entry)
  if not entry then
    return nil
  end
  local leased = entry.state == 'OPEN' and entry.lease_until ~= ''
  if leased and number(entry.lease_until) <= now then
    entry.state = 'IN_DOUBT'
    entry.lease_until = ''
  elseif not is_unsettled(entry) and entry.pinned ~= '1' and entry.keep_until ~= ''
    and number(entry.keep_until) <= now then
    set_free(entry, TOKEN_MEMORY)
  end
  return entry
end

local function token_after(last)
  return text(math.max(number(last) + 1, now))
end

-- Writes the entry. What is not settled has no end; all else ends by itself.
local function save(entry)
  local flat = {}
  for _, field in ipairs(FIELDS) do
    flat[#flat + 1] = field
    flat[#flat + 1] = entry[field]
  end
  redis.call('HSET', name, unpack(flat))
  if entry.keep_until ~= '' and entry.pinned ~= '1' then
    local left = math.ceil((number(entry.keep_until) - now) / 1000)
    redis.call('PEXPIRE', name, text(math.max(1, left)))
  else
    redis.call('PERSIST', name)
  end
end

-- Wakes who waits for this key. A hint: they also look for themselves.
local function tell()
  redis.call('PUBLISH', name, '')
end

local function fenced(entry)
  return { 'FENCED', entry.token }
end

-- Settles an entry for good, and begins its retention.
local function settle(entry, state, detail, retention)
  entry.state = state
  entry.detail = detail
  entry.lease_until = ''
  entry.changed_at = text(now)
  entry.keep_until = text(now + number(retention))
  entry.pinned = is_call(entry.holder) and '1' or '0'
  save(entry)
  tell()
end

-- Keeps a result that came too late; the same one once.
local function keep_evidence(entry, token, result)
  local numbers = {}
  for field, value in pairs(entry) do
    local no = tonumber(string.match(field, '^late:(%d+)$'))
    if no then
      local known_token, known = string.match(value, '^(%d+) %-?%d+ (.*)$')
      if known_token == token and known == result then
        return
      end
      numbers[#numbers + 1] = no
    end
  end
  table.sort(numbers)
  local after = (numbers[#numbers] or 0) + 1
  redis.call('HSET', name, 'late:' .. text(after), token .. ' ' .. text(now) .. ' ' .. result)
  for i = 1, #numbers + 1 - MOST_EVIDENCE do
    redis.call('HDEL', name, 'late:' .. text(numbers[i]))
  end
end
