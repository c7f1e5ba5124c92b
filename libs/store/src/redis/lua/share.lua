-- One replica's word about the breakers, and its answer. Keys, all in one slot: the owner, its lease and its board (hash),
-- letters to the owner (list), who watches where (hash).
-- Arguments: replica, lease in ms, TAKE or LEAVE, board or '', who watches here, letters...
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lease = tonumber(ARGV[2])
local function ms(number) return string.format('%.0f', number) end

local state = redis.call('HMGET', KEYS[1], 'owner', 'until', 'board', 'at', 'by')
local owner, ends, board, at = state[1], tonumber(state[2] or '0'), state[3], tonumber(state[4] or '0')

local role
if owner == ARGV[1] then role = 'OWNER'
elseif owner and now < ends then role = 'FOLLOWER'
elseif owner or ARGV[3] == 'TAKE' then role = 'NEW_OWNER'
else role = 'NOBODY' end

redis.call('HSET', KEYS[3], ARGV[1], ms(now + lease) .. ' ' .. ARGV[5])
redis.call('PEXPIRE', KEYS[3], lease * 10)

if role == 'FOLLOWER' or role == 'NOBODY' then
  for index = 6, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[index]) end
  -- Nobody reads them for long: the oldest go, and all of them after a minute.
  redis.call('LTRIM', KEYS[2], -1000, -1)
  redis.call('PEXPIRE', KEYS[2], 60000)
  -- What an owner before has published is for the next owner alone: others have seen it, or later words.
  local current = owner and state[5] == owner and board
  return {role, current, ms(math.max(now - at, 0)), {}, {}}
end

redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', ms(now + lease))
if role == 'NEW_OWNER' then
  redis.call('HDEL', KEYS[1], 'by')
elseif ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'board', ARGV[4], 'at', ms(now), 'by', ARGV[1])
end

local letters = redis.call('LRANGE', KEYS[2], 0, 99)
redis.call('LTRIM', KEYS[2], 100, -1)

local present, all = {}, redis.call('HGETALL', KEYS[3])
for index = 1, #all, 2 do
  local space = string.find(all[index + 1], ' ', 1, true)
  if tonumber(string.sub(all[index + 1], 1, space - 1)) < now then
    redis.call('HDEL', KEYS[3], all[index])
  elseif all[index] ~= ARGV[1] then
    table.insert(present, string.sub(all[index + 1], space + 1))
  end
end
return {role, board, ms(math.max(now - at, 0)), letters, present}
