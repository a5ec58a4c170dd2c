-- Puts a connection into a room, in the place of its user if that is taken. Returns the room, and
-- whom it replaced.
-- ARGV[6] connection, ARGV[7] user as JSON, ARGV[8] user
if not known() then
    return redis.error_reply('AWAY this worker is not known')
end
local time = redis.call('TIME')
local stamp, concerned, gone = time[1] * 1000000 + time[2], {}, false
for _, seat in ipairs(seats()) do
    stamp = math.max(stamp, seat[3] + 1)
    concerned[seat[2]] = true
    if seat[5] == ARGV[8] then
        redis.call('HDEL', index(seat[2]), seat[1])
        if seat[1] ~= ARGV[6] then
            gone = {seat[1], 'replaced'}
        end
    end
end
put({ARGV[6], worker, stamp, ARGV[7], ARGV[8]})
return tell(concerned, state(gone))
