-- Ends the call of a room if its grace is over. A user who is there waits from now on. Returns the state.
local call, now = get_call(), clock()
if not call then
    redis.call('ZREM', ending_key, ending_member)
elseif is_over(call, now, grace) then
    call = end_and_wait(call, call[PARTED], now, fresh_id)
    local nodes = {}
    for _, seat in ipairs(seats()) do
        nodes[seat[2]] = true
    end
    publish(nodes, state(false, true, call))
end
return reply(state(false, true, call), events)
