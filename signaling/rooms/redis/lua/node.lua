-- Comes before every script: the clock of Redis, and the check that a node is registered.

-- Microseconds since 1970.
local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

-- Milliseconds since 1970.
local function clock_ms()
    return math.floor(clock() / 1000)
end

-- An entry of a node in the hash of all nodes: epoch, end of its lease in milliseconds since 1970, description (JSON).
-- A node that was evicted is refused until it registers again: Redis must not run its late commands.
local function registered(workers, worker, epoch)
    local entry = redis.call('HGET', workers, worker)
    return entry and string.match(entry, '^%S+') == epoch
end
