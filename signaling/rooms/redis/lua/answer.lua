-- Notes that the call of a room was answered. The first answer counts. Returns the state of the room.
local call = get_call()
if call and call[WAITING] == '' and not is_answered(call) then
    call[ANSWERED] = clock()
    put_call(call)
end
return reply(state(false, true, call), events)
