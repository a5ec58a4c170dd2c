-- Extends the lease of a node. Returns the nodes that are alive with their descriptions, the nodes that are dead, and the
-- pairs whose call may have ended, at most 500.
-- KEYS[1] the nodes, KEYS[2] the ends of the graces of calls; ARGV[1] node, ARGV[2] epoch, ARGV[3] lease in milliseconds, ARGV[4] description (JSON)
if not registered(KEYS[1], ARGV[1], ARGV[2]) then
    return redis.error_reply('AWAY this worker is not known')
end
local now = clock_ms()
-- The field '' has the time of the latest heartbeat of any node.
local latest_beat = tonumber(redis.call('HGET', KEYS[1], '') or now)
redis.call('HSET', KEYS[1], '', string.format('%.0f', now))
-- While Redis stood still, no node could extend its lease.
local stood_still = now - latest_beat > ARGV[3] / 2
-- A lease that ends later than this was written before the clock of Redis was set back.
local latest_end = now + ARGV[3]
local alive, dead = {}, {}
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
    local worker = fields[at]
    if worker ~= '' then
        local epoch, ends, description = string.match(fields[at + 1], '^(%S+) (%S+) (.*)$')
        if worker == ARGV[1] then
            epoch, description = ARGV[2], ARGV[4]
        end
        -- The lease of an entry that cannot be read has ended.
        ends = tonumber(ends) or 0
        if worker == ARGV[1] or epoch and (stood_still or ends > latest_end) then
            ends = latest_end
            redis.call('HSET', KEYS[1], worker, string.format('%s %.0f %s', epoch, ends, description))
        end
        if ends < now then
            dead[#dead + 1] = worker
        else
            alive[#alive + 1] = worker
            alive[#alive + 1] = description
        end
    end
end
return {alive, dead, redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 500)}
