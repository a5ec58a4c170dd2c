-- Registers a node with a new epoch. Redis refuses the commands that the node sent under an older one.
-- Returns the secret that all nodes share, which is that of the first of them.
-- KEYS[1] the nodes, KEYS[2] the secret
-- ARGV[1] node, ARGV[2] epoch, ARGV[3] lease in milliseconds, ARGV[4] description (JSON), ARGV[5] a secret, or empty if
-- the node needs none
redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %.0f %s', ARGV[2], clock_ms() + ARGV[3], ARGV[4]))
if ARGV[5] ~= '' then
    redis.call('HSETNX', KEYS[2], 'secret', ARGV[5])
    return redis.call('HGET', KEYS[2], 'secret')
end
