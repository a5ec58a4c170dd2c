-- Restores the seats of a room that a node knows, after the node was evicted or Redis lost data. Returns the state.
-- A connection that arrived later than the node knows keeps its seat.
-- Messages may be lost. So each seat of the node gets a new "since", and both ends of a call start over.
-- ARGV[8] lease in milliseconds of another node that is not registered
-- ARGV[9] the entry of the call that this node knows, or empty
-- ARGV[10] and later: seats, the node's own first
if not registered(KEYS[2], worker, ARGV[3]) then
    return redis.error_reply('AWAY this worker is not known')
end
local restored, nodes = false, {}
for at = 10, #ARGV do
    local seat = cmsgpack.unpack(ARGV[at])
    local packed = redis.call('HGET', room, seat[5])
    local current = packed and cmsgpack.unpack(packed)
    if seat[2] == worker then
        if not current or current[3] <= seat[3] then
            if current then
                nodes[current[2]] = true
                redis.call('HDEL', index_key(current[2]), current[1])
            end
            seat[6] = math.max(clock(), (seat[6] or seat[3]) + 1)
            put_seat(seat)
            restored = true
        end
    elseif restored and not current then
        -- The other node takes the connection out if it has left. If that node is dead, its lease ends.
        put_seat(seat)
        redis.call('HSETNX', KEYS[2], seat[2], string.format('- %.0f {}', clock_ms() + ARGV[8]))
    end
end
local known = ARGV[9] ~= '' and cmsgpack.unpack(ARGV[9])
local present = seats()
for _, seat in ipairs(present) do
    nodes[seat[2]] = true
end
local call = call_restored(known, present, clock(), grace, fresh_id)
local announced = publish(nodes, state(false, true, call)) > 0
return reply(state(false, announced, call), events)
