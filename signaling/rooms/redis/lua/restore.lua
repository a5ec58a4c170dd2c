-- Puts back what a worker knows of a room, after it or Redis was away. Who came later than it knows keeps the seat.
-- Messages may be lost. So the worker's own get a new "since", by which both ends know that they must start over.
-- ARGV[6] milliseconds for another worker to put back its own, ARGV[7] on: seats, those of the worker's own first
if not known() then
    return redis.error_reply('AWAY this worker is not known')
end
local mine, concerned = false, {}
for at = 7, #ARGV do
    local seat = cmsgpack.unpack(ARGV[at])
    local found = redis.call('HGET', room, seat[5])
    local there = found and cmsgpack.unpack(found)
    if seat[2] == worker then
        if not there or there[3] <= seat[3] then
            if there then
                concerned[there[2]] = true
                redis.call('HDEL', index(there[2]), there[1])
            end
            seat[6] = math.max(clock(), (seat[6] or seat[3]) + 1)
            put(seat)
            mine = true
        end
    elseif mine and not there then
        -- Its own worker takes it out if it is gone; if that is gone itself, nobody extends its lease.
        put(seat)
        redis.call('HSETNX', KEYS[2], seat[2], string.format('- %.0f {}', math.floor(clock() / 1000) + ARGV[6]))
    end
end
for _, seat in ipairs(seats()) do
    concerned[seat[2]] = true
end
return state(false, tell(concerned, state()) > 0)
