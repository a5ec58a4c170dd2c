-- Forgets a worker whose lease is over and whose connections are all taken out.
-- KEYS[1] the workers, KEYS[2] its connections; ARGV[1] worker
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entry = redis.call('HGET', KEYS[1], ARGV[1])
local ends = entry and tonumber(string.match(entry, '^%S+ (%S+)')) or 0
if ends < now and redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('HDEL', KEYS[1], ARGV[1])
end
