-- A room is a hash: each user's key, and the seat of its connection. Before every script that changes one.
--
-- All keys of a room's partition are in one hash slot, since they share the tag in the prefix; the scripts name the keys
-- of other workers' indexes themselves, as those are known only once the room was read.
--
-- KEYS[1] the room, KEYS[2] the workers of the partition
-- ARGV[1] prefix, ARGV[2] the worker that asks, ARGV[3] its epoch, ARGV[4] and ARGV[5] the pair

local room, prefix, worker = KEYS[1], ARGV[1], ARGV[2]

-- A seat: {connection, worker, stamp, user as JSON, user, since}. The stamp orders arrivals: microseconds since 1970.
-- "since" is when the connection arrived or its worker last put it back. What was sent to it before is not delivered.
local function seats()
    local found, fields = {}, redis.call('HGETALL', room)
    for at = 2, #fields, 2 do
        found[#found + 1] = cmsgpack.unpack(fields[at])
    end
    table.sort(found, function(one, other) return one[3] < other[3] end)
    return found
end

local function index(of)
    return prefix .. 'connections:' .. of
end

local function put(seat)
    redis.call('HSET', room, seat[5], cmsgpack.pack(seat))
    redis.call('HSET', index(seat[2]), seat[1], cmsgpack.pack({ARGV[4], ARGV[5], seat[5]}))
end

local function state(gone, heard)
    return cmsgpack.pack({ARGV[4], ARGV[5], seats(), gone or false, heard ~= false})
end

-- Tells the workers that are concerned, but for the one that asks, which has the answer. Returns how many heard.
local function tell(concerned, text)
    local heard = 0
    concerned[worker] = nil
    for other in pairs(concerned) do
        heard = heard + redis.call(PUBLISH, prefix .. 'worker:' .. other, 's' .. text)
    end
    return heard
end

-- Microseconds since 1970.
local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

-- A worker that was away is refused until it has come back in order: what it sent before must not be done late.
local function known()
    local entry = redis.call('HGET', KEYS[2], worker)
    return entry and string.match(entry, '^%S+') == ARGV[3]
end
