-- Ends the call of a room, if it is still the given one. Its users keep their seats, and their nodes forget it.
-- Returns the state of the room.
-- ARGV[8] the id of the call
local call = get_call()
if call and call[ID] == ARGV[8] and call[WAITING] == '' then
    end_call(call, call[PARTED] > 0 and call[PARTED] or math.max(clock(), call[STARTED]), 'ended')
    local nodes = {}
    for _, seat in ipairs(seats()) do
        nodes[seat[2]] = true
    end
    publish(nodes, state())
end
return reply(state(), events)
