-- Puts a connection into a room, in the place of its user if that is taken. Returns the room, and whom it replaced.
-- A connection that thinks that it has the seat already, and lost it to a newer one, changes nothing.
-- ARGV[6] connection, ARGV[7] user as JSON, ARGV[8] user, ARGV[9] the stamp of the seat that it has, or empty
if not known() then
    return redis.error_reply('AWAY this worker is not known')
end
local stamp, held, concerned, gone = clock(), tonumber(ARGV[9]), {}, false
for _, seat in ipairs(seats()) do
    stamp = math.max(stamp, seat[3] + 1)
    concerned[seat[2]] = true
    if seat[5] == ARGV[8] and seat[1] ~= ARGV[6] then
        if held and seat[3] > held then
            return state()
        end
        gone = seat
    end
end
if gone then
    redis.call('HDEL', index(gone[2]), gone[1])
end
put({ARGV[6], worker, stamp, ARGV[7], ARGV[8], stamp})
local text = state(gone and {gone[1], 'replaced'})
tell(concerned, text)
return text
