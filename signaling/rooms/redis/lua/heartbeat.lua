-- Extends the lease of a worker. Returns the workers with what they tell of themselves, and those whose lease is over.
-- KEYS[1] the workers; ARGV[1] worker, ARGV[2] epoch, ARGV[3] lease in milliseconds, ARGV[4] what it tells (JSON)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine = redis.call('HGET', KEYS[1], ARGV[1])
if not mine or string.match(mine, '^%S+') ~= ARGV[2] then
    return redis.error_reply('AWAY this worker is not known')
end
local before = tonumber(redis.call('HGET', KEYS[1], '') or now)
redis.call('HSET', KEYS[1], '', string.format('%.0f', now))
-- Nobody could extend a lease while Redis stood still.
local stood_still = now - before > ARGV[3] / 2
-- A lease that ends later was made before the clock of Redis was put back.
local latest = now + ARGV[3]
local told, over = {}, {}
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
    local worker = fields[at]
    if worker ~= '' then
        local epoch, ends, words = string.match(fields[at + 1], '^(%S+) (%S+) (.*)$')
        if worker == ARGV[1] then
            epoch, words = ARGV[2], ARGV[4]
        end
        -- An entry that cannot be read is one whose lease is over.
        ends = tonumber(ends) or 0
        if worker == ARGV[1] or epoch and (stood_still or ends > latest) then
            ends = latest
            redis.call('HSET', KEYS[1], worker, string.format('%s %.0f %s', epoch, ends, words))
        end
        if ends < now then
            over[#over + 1] = worker
        else
            told[#told + 1] = worker
            told[#told + 1] = words
        end
    end
end
return {told, over}
