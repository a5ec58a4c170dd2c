-- Makes a worker known, with a new epoch: what it sent before under another one is refused from now on.
-- KEYS[1] the workers; ARGV[1] worker, ARGV[2] epoch, ARGV[3] lease in milliseconds
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %.0f {}', ARGV[2], now + ARGV[3]))
