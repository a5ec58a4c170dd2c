-- Comes before every script that changes a room. A room is a hash from each user's key to the seat of its connection.
--
-- All keys of a room's partition are in one hash slot, since they share the hash tag in the prefix. The scripts build the
-- keys of other nodes' indexes themselves, since only the room says which nodes these are.
--
-- KEYS[1] the room, KEYS[2] the nodes of the partition
-- ARGV[1] prefix, ARGV[2] the calling node, ARGV[3] its epoch, ARGV[4] and ARGV[5] the pair
--
-- ARGV[6] the grace of calls in microseconds, ARGV[7] the id of a new call

local room, prefix, worker, grace, fresh_id = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[6]), ARGV[7]

-- A seat: {connection, node, stamp, user as JSON, user, since}. The stamp is the time of arrival, in microseconds since
-- 1970, and orders the seats. "since" is the time of arrival or of the latest restore; older messages find no route.
local function seats()
    local found, fields = {}, redis.call('HGETALL', room)
    for at = 2, #fields, 2 do
        found[#found + 1] = cmsgpack.unpack(fields[at])
    end
    table.sort(found, function(one, other) return one[3] < other[3] end)
    return found
end

-- The key of the index of a node's connections: a hash from each connection to its pair and its user.
local function index_key(node)
    return prefix .. 'connections:' .. node
end

local function put_seat(seat)
    redis.call('HSET', room, seat[5], cmsgpack.pack(seat))
    redis.call('HSET', index_key(seat[2]), seat[1], cmsgpack.pack({ARGV[4], ARGV[5], seat[5]}))
end

-- The room as a script publishes it. "lost" is {connection, reason} if a connection lost its seat, and "call" the entry
-- of the room's call.
local function state(lost, announced, call)
    return {ARGV[4], ARGV[5], seats(), lost or false, announced ~= false, call or false}
end

-- The room as a script returns it: the calling node alone gets the events. They stay until the node has removed them,
-- since the reply may be lost.
local KEPT_SECONDS = 86400
local function reply(content, events)
    content[7], content[8] = events, fresh_id
    if #events > 0 then
        local kept = prefix .. 'events:' .. worker
        redis.call('HSET', kept, fresh_id, cmsgpack.pack({ARGV[4], ARGV[5], events}))
        redis.call('EXPIRE', kept, KEPT_SECONDS)
    end
    return cmsgpack.pack(content)
end

-- Publishes a state to the given nodes, except to the calling node, which gets it as the reply. Returns the number of
-- receivers.
local function publish(nodes, content)
    local receivers, text = 0, nil
    nodes[worker] = nil
    for node in pairs(nodes) do
        text = text or cmsgpack.pack(content)
        receivers = receivers + redis.call(PUBLISH, prefix .. 'worker:' .. node, 's' .. text)
    end
    return receivers
end
