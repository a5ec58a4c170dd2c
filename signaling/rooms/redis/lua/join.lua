-- Puts a connection into a room, where it replaces an older connection of its user. Returns the state of the room.
-- If the connection held the seat already, and lost it to a newer connection, nothing changes.
-- ARGV[6] connection, ARGV[7] user as JSON, ARGV[8] user, ARGV[9] the stamp of the seat that it holds, or empty
if not registered(KEYS[2], worker, ARGV[3]) then
    return redis.error_reply('AWAY this worker is not known')
end
local stamp, held_stamp, nodes, replaced = clock(), tonumber(ARGV[9]), {}, false
for _, seat in ipairs(seats()) do
    stamp = math.max(stamp, seat[3] + 1)
    nodes[seat[2]] = true
    if seat[5] == ARGV[8] and seat[1] ~= ARGV[6] then
        if held_stamp and seat[3] > held_stamp then
            return state()
        end
        replaced = seat
    end
end
if replaced then
    redis.call('HDEL', index_key(replaced[2]), replaced[1])
end
put_seat({ARGV[6], worker, stamp, ARGV[7], ARGV[8], stamp})
local text = state(replaced and {replaced[1], 'replaced'})
publish(nodes, text)
return text
