-- Takes a connection out of a room, if it still has the seat of its user. Returns the state of the room.
-- ARGV[8] connection, ARGV[9] user, ARGV[10] reason, ARGV[11] the node of the connection
-- ARGV[12] microseconds since it left
-- ARGV[13] the entry of the call that this node knows, or empty
local connection, user, reason = ARGV[8], ARGV[9], ARGV[10]
redis.call('HDEL', index_key(ARGV[11]), connection)
local packed = redis.call('HGET', room, user)
local seat = packed and cmsgpack.unpack(packed)
local known = ARGV[13] ~= '' and cmsgpack.unpack(ARGV[13])
-- Redis may have lost the seat, and the call with it.
local is_lost = known and not seat and restore_call(known)
if not is_lost and (not seat or seat[1] ~= connection) then
    return reply(state(false, true, get_call()), events)
end
local nodes = {}
if seat then
    redis.call('HDEL', room, user)
    redis.call('HDEL', index_key(seat[2]), connection)
    nodes[seat[2]] = true
end
local stays = false
for _, other in ipairs(seats()) do
    nodes[other[2]] = true
    stays = other[5]
end
local now = clock()
local call = call_left(user, reason, stays, now - tonumber(ARGV[12]), now, grace, fresh_id, ARGV[11] ~= worker)
local content = state({connection, reason}, true, call)
publish(nodes, content)
return reply(content, events)
