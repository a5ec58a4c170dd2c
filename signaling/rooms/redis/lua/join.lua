-- Puts a connection into a room, where it replaces an older connection of its user. Returns the state of the room.
-- If the connection held the seat already, and lost it to a newer connection, nothing changes.
-- If the user is barred, returns "barred".
-- ARGV[8] connection, ARGV[9] user as JSON, ARGV[10] user, ARGV[11] the peer as JSON, ARGV[12] the stamp of the seat that
-- it holds, or empty
local connection, user = ARGV[8], ARGV[10]
if not registered(KEYS[2], worker, ARGV[3]) then
    return redis.error_reply('AWAY this worker is not known')
end
if redis.call('EXISTS', prefix .. 'bar:' .. user) == 1 then
    return 'barred'
end
local now = clock()
local stamp, held_stamp, nodes, replaced, alone = now, tonumber(ARGV[12]), {}, false, true
for _, seat in ipairs(seats()) do
    stamp = math.max(stamp, seat[3] + 1)
    nodes[seat[2]] = true
    if seat[5] ~= user then
        alone = false
    elseif seat[1] ~= connection then
        if held_stamp and seat[3] > held_stamp then
            return reply(state(false, true, get_call()), events)
        end
        replaced = seat
    end
end
if replaced then
    redis.call('HDEL', index_key(replaced[2]), replaced[1])
end
put_seat({connection, worker, stamp, ARGV[9], user, stamp})
local first, second = ARGV[9], ARGV[11]
if user == ARGV[5] then
    first, second = second, first
end
local call = call_joined(user, alone, now, grace, fresh_id, first, second)
local content = state(replaced and {replaced[1], 'replaced'}, true, call)
publish(nodes, content)
return reply(content, events)
