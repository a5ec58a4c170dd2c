-- Registers a node with a new epoch. Redis refuses the commands that the node sent under an older one.
-- KEYS[1] the nodes; ARGV[1] node, ARGV[2] epoch, ARGV[3] lease in milliseconds, ARGV[4] description (JSON)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %.0f %s', ARGV[2], clock_ms() + ARGV[3], ARGV[4]))
