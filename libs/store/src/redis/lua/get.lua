-- Reads the hash as it stands, and the time by which it is to be understood.
return { text(now), redis.call('HGETALL', name) }
