-- Comes after room.lua: the call of a room, or the wait that may become one. `rooms/calls.py` does the same in memory.
--
-- The hash "calls" has an entry for each room, by the key of the room. Its fields are:
--
-- 1. the id
-- 2. the sequence number of the latest event
-- 3. the user who waits; empty for a call
-- 4. the start of the wait or of the call, in microseconds since 1970, as all times here
-- 5. the time when a user left the call; 0 while both are there
-- 6. whether a user left on purpose since then
-- 7. the user who is alone since then, or empty
-- 8. and 9. the ids of the two users as JSON
-- 10. and 11. their keys
-- 12. whether the user who waits or is alone joined while alone, and did not stay behind: an app is told of those only
-- 13. the time of the first answer; 0 or missing if there was none
--
-- The sorted set "ending" has the ends of the graces, in milliseconds since 1970.

local ID, SEQUENCE, WAITING, STARTED, PARTED, HUNG_UP, ALONE, FIRST_JSON = 1, 2, 3, 4, 5, 6, 7, 8
local CAME, ANSWERED = 12, 13
local ENDED_SECONDS = 300
local calls_key, ending_key = prefix .. 'calls', prefix .. 'ending'
local ending_member = cmsgpack.pack({ARGV[4], ARGV[5]})

-- The events for the app of the calling node. Each has the type, time, id, sequence, start, user, detail, both ids as
-- JSON, and the time of the first answer.
local events = {}

local function get_call()
    local packed = redis.call('HGET', calls_key, room)
    return packed and cmsgpack.unpack(packed)
end

local function put_call(call)
    redis.call('HSET', calls_key, room, cmsgpack.pack(call))
end

local function tell(call, type, at, user, detail)
    call[SEQUENCE] = call[SEQUENCE] + 1
    events[#events + 1] = {
        type, at, call[ID], call[SEQUENCE], call[STARTED], user, detail, call[FIRST_JSON], call[FIRST_JSON + 1],
        call[ANSWERED] or 0
    }
end

local function is_answered(call)
    return (call[ANSWERED] or 0) > 0
end

local function remove_call(call)
    redis.call('HDEL', calls_key, room)
    redis.call('ZREM', ending_key, ending_member)
end

-- A node that was evicted by mistake still knows the call, or the wait. It must not end twice.
local function remember_end(call)
    redis.call('SET', prefix .. 'ended:' .. call[ID], '1', 'EX', ENDED_SECONDS)
end

local function end_call(call, at, reason)
    tell(call, 'call.ended', at, '', reason)
    remove_call(call)
    remember_end(call)
end

local function end_reason(call)
    return call[HUNG_UP] and 'left' or 'lost'
end

local function is_over(call, now, grace)
    return call[PARTED] > 0 and now >= call[PARTED] + grace
end

local function new_call(id, now, waiting, came, first_json, second_json)
    local call = {id, 0, waiting, now, 0, false, '', first_json, second_json, ARGV[4], ARGV[5], came, 0}
    if waiting ~= '' then
        if came then
            tell(call, 'user.waiting', now, waiting, '')
        end
    else
        tell(call, 'call.started', now, '', '')
    end
    return call
end

-- An app was told of the wait only if the user came for it.
local function end_wait(call, at, outcome)
    if call[CAME] then
        tell(call, 'user.waiting_ended', at, call[WAITING], outcome)
    end
end

-- Ends a call. A user who is there waits from now on. Returns the entry of the room, or false.
local function end_and_wait(call, at, now, id)
    end_call(call, at, end_reason(call))
    local user = call[ALONE]
    if user == '' or redis.call('HEXISTS', room, user) == 0 then
        return false
    end
    local wait = new_call(id, now, user, call[CAME], call[FIRST_JSON], call[FIRST_JSON + 1])
    put_call(wait)
    return wait
end

-- Both users are there.
local function call_met(call, now)
    if call[WAITING] ~= '' then
        end_wait(call, now, 'met')
        call[WAITING], call[STARTED] = '', now
        tell(call, 'call.started', now, '', '')
    elseif call[PARTED] > 0 then
        call[PARTED], call[HUNG_UP], call[ALONE] = 0, false, ''
        redis.call('ZREM', ending_key, ending_member)
    else
        return call
    end
    put_call(call)
    return call
end

-- Only one user is there, or none.
local function call_parted(call, at, grace)
    if call[PARTED] == 0 then
        -- The time is an estimate if a node died.
        call[PARTED] = math.max(at, call[STARTED])
        redis.call('ZADD', ending_key, math.floor((call[PARTED] + grace) / 1000), ending_member)
    end
end

-- Puts back an entry that Redis has lost. Returns whether the call of the entry goes on.
local function restore_call(known)
    local call = get_call()
    if not call and redis.call('EXISTS', prefix .. 'ended:' .. known[ID]) == 0 then
        put_call(known)
        call = known
    end
    local same = call and call[ID] == known[ID]
    if same and is_answered(known) and not is_answered(call) then
        call[ANSWERED] = known[ANSWERED]
        put_call(call)
    end
    return same
end

-- A user joined, and is alone or met the peer. Returns the entry of the room.
local function call_joined(user, alone, now, grace, id, first_json, second_json)
    local call = get_call()
    if call and is_over(call, now, grace) then
        end_call(call, call[PARTED], end_reason(call))
        call = false
    end
    if call and alone and call[WAITING] ~= '' and call[WAITING] ~= user then
        -- A node of an older version took the other user out, and knows no waits.
        end_wait(call, now, 'lost')
        call = false
    end
    if not call then
        call = new_call(id, now, alone and user or '', true, first_json, second_json)
        put_call(call)
    elseif not alone then
        call = call_met(call, now)
    elseif call[WAITING] == '' then
        call_parted(call, now, grace)
        if call[ALONE] ~= user then
            call[ALONE], call[CAME] = user, true
        end
        put_call(call)
    end
    return call
end

-- A user left for the reason "left" or "lost". "stays" is the peer who stays, or false, and "evicted" says whether the node
-- of the user is another one. Returns the entry of the room, or false.
local function call_left(user, reason, stays, at, now, grace, id, evicted)
    local call = get_call()
    if not call then
        return false
    end
    if call[WAITING] ~= '' then
        if call[WAITING] ~= user then
            return call
        end
        end_wait(call, math.max(at, call[STARTED]), reason)
        remove_call(call)
        if evicted then
            remember_end(call)
        end
        return false
    end
    if call[PARTED] == 0 then
        call[ALONE], call[CAME] = stays or '', false
    elseif call[ALONE] == user then
        call[ALONE] = ''
    end
    call_parted(call, at, grace)
    call[HUNG_UP] = call[HUNG_UP] or reason == 'left'
    if is_over(call, now, grace) or call[HUNG_UP] and not stays then
        return end_and_wait(call, call[PARTED], now, id)
    end
    put_call(call)
    return call
end

-- The seats of the room were restored; "known" is the entry that the calling node knows. Returns the entry of the room.
local function call_restored(known, present, now, grace, id)
    if known then
        restore_call(known)
    end
    local call = get_call()
    if #present == 2 then
        if not call then
            local first, second = present[1], present[2]
            if first[5] ~= ARGV[4] then
                first, second = second, first
            end
            call = new_call(id, now, '', true, first[4], second[4])
        else
            call = call_met(call, now)
        end
    elseif call and call[WAITING] == '' then
        if call[PARTED] == 0 and present[1] then
            call[ALONE], call[CAME] = present[1][5], false
        end
        call_parted(call, now, grace)
    elseif not call and known and present[1] and present[1][5] == known[WAITING] then
        -- The app was told that the wait ended when the node was evicted.
        call = new_call(id, now, known[WAITING], known[CAME], known[FIRST_JSON], known[FIRST_JSON + 1])
    end
    if call then
        put_call(call)
    end
    return call
end
