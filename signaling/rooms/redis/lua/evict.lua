-- Removes a node whose lease has ended and whose connections are all evicted. The calling node inherits its events.
-- Returns the description of the node (JSON) to the one caller that removed it, and nothing to others.
-- KEYS[1] the nodes, KEYS[2] the index of its connections, KEYS[3] its events, KEYS[4] those of the calling node
-- ARGV[1] node
local entry = redis.call('HGET', KEYS[1], ARGV[1])
local ends = entry and tonumber(string.match(entry, '^%S+ (%S+)')) or 0
if ends < clock_ms() and redis.call('EXISTS', KEYS[2]) == 0 then
    local removed = redis.call('HDEL', KEYS[1], ARGV[1]) == 1
    local events = redis.call('HGETALL', KEYS[3])
    for at = 1, #events, 2 do
        redis.call('HSET', KEYS[4], events[at], events[at + 1])
    end
    redis.call('DEL', KEYS[3])
    return removed and (string.match(entry, '^%S+ %S+ (.*)$') or '')
end
