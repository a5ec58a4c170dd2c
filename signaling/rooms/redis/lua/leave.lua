-- Takes a connection out of a room, if it still has the seat of its user. Returns the state of the room.
-- ARGV[8] connection, ARGV[9] user, ARGV[10] reason, ARGV[11] the node of the connection, ARGV[12] microseconds since it
-- left
local connection, user, reason = ARGV[8], ARGV[9], ARGV[10]
redis.call('HDEL', index_key(ARGV[11]), connection)
local packed = redis.call('HGET', room, user)
local seat = packed and cmsgpack.unpack(packed)
if not seat or seat[1] ~= connection then
    return reply(state(false, true, get_call()), events)
end
redis.call('HDEL', room, user)
redis.call('HDEL', index_key(seat[2]), connection)
local nodes = {[seat[2]] = true}
local stays = false
for _, other in ipairs(seats()) do
    nodes[other[2]] = true
    stays = true
end
local now = clock()
local call = call_left(user, reason, stays, now - tonumber(ARGV[12]), now, grace)
local content = state({connection, reason}, true, call)
publish(nodes, content)
return reply(content, events)
