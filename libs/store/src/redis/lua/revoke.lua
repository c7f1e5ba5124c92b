-- Removes what stands before the index, and lets nothing in that may have been read before. ARGV: now, for how long.
redis.call('DEL', name)
redis.call('HSET', name, 'closed_until', text(now + number(ARGV[2])))
redis.call('PEXPIRE', name, text(math.ceil(number(ARGV[2]) / 1000)))
tell()
return { 'OK' }
