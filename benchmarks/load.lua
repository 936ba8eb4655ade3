-- Sends one body without pause; prints the figures as a line of JSON.
wrk.method = 'POST'
wrk.headers['Content-Type'] = 'application/json'

function init(args)
  local file = io.open(args[1], 'rb')
  wrk.body = file:read('*all')
  file:close()
  packed = wrk.format()
end

function request() return packed end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nFIGURES {"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
