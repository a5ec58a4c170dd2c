-- Takes a connection out of a room, if it still has the seat of its user. Returns the state of the room.
-- ARGV[6] connection, ARGV[7] user, ARGV[8] reason, ARGV[9] the node of the connection
redis.call('HDEL', index_key(ARGV[9]), ARGV[6])
local packed = redis.call('HGET', room, ARGV[7])
if not packed then
    return state()
end
local seat = cmsgpack.unpack(packed)
if seat[1] ~= ARGV[6] then
    return state()
end
redis.call('HDEL', room, ARGV[7])
redis.call('HDEL', index_key(seat[2]), ARGV[6])
local nodes = {[seat[2]] = true}
for _, other in ipairs(seats()) do
    nodes[other[2]] = true
end
local text = state({ARGV[6], ARGV[8]})
publish(nodes, text)
return text
