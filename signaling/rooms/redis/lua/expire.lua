-- Ends the call of a room if its grace is over. A user who came back meanwhile waits from now on. Returns the state.
local call, now = get_call(), clock()
if not call then
    redis.call('ZREM', ending_key, ending_member)
elseif is_over(call, now, grace) then
    local returned = call[RETURNED]
    end_call(call, call[PARTED], end_reason(call))
    local is_there = returned ~= '' and redis.call('HEXISTS', room, returned) == 1
    if is_there then
        call = new_call(fresh_id, now, returned, call[FIRST_JSON], call[FIRST_JSON + 1])
        put_call(call)
    else
        call = false
    end
    local nodes = {}
    for _, seat in ipairs(seats()) do
        nodes[seat[2]] = true
    end
    publish(nodes, state(false, true, call))
end
return reply(state(false, true, call), events)
