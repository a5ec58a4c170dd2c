-- Removes a node whose lease has ended and whose connections are all evicted.
-- KEYS[1] the nodes, KEYS[2] the index of its connections; ARGV[1] node
local entry = redis.call('HGET', KEYS[1], ARGV[1])
local ends = entry and tonumber(string.match(entry, '^%S+ (%S+)')) or 0
if ends < clock_ms() and redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('HDEL', KEYS[1], ARGV[1])
end
