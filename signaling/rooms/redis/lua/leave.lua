-- Takes a connection out of a room, if it is still the one that has its user's seat. Returns the room.
-- ARGV[6] connection, ARGV[7] user, ARGV[8] reason, ARGV[9] the worker it was at
redis.call('HDEL', index(ARGV[9]), ARGV[6])
local found = redis.call('HGET', room, ARGV[7])
if not found then
    return state()
end
local seat = cmsgpack.unpack(found)
if seat[1] ~= ARGV[6] then
    return state()
end
redis.call('HDEL', room, ARGV[7])
redis.call('HDEL', index(seat[2]), ARGV[6])
local concerned = {[seat[2]] = true}
for _, other in ipairs(seats()) do
    concerned[other[2]] = true
end
local text = state({ARGV[6], ARGV[8]})
tell(concerned, text)
return text
