-- Ends the call of a room, if it is still the given one. Its users keep their seats. Returns the state of the room.
-- ARGV[8] the id of the call
local call = get_call()
if call and call[ID] == ARGV[8] and call[WAITING] == '' then
    end_call(call, call[PARTED] > 0 and call[PARTED] or clock(), 'ended')
end
return reply(state(), events)
