-- Nine small requests and a large one, over and over; the percentiles are those of the small ones alone.
-- Each thread must have one connection: then the answer that comes is that to the request just sent.
local ffi = require('ffi')
ffi.cdef('typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int clock, moment *now);')
local now = ffi.new('moment')
local threads = {}

local function milliseconds()
  ffi.C.clock_gettime(1, now)
  return tonumber(now.seconds) * 1e3 + tonumber(now.nanoseconds) / 1e6
end

local function packed(path, name)
  local file = io.open(name, 'rb')
  local body = file:read('*all')
  file:close()
  return wrk.format('POST', path, {['Content-Type'] = 'application/json'}, body)
end

function setup(thread)
  thread:set('turn', #threads * 3)
  table.insert(threads, thread)
end

function init(args)
  small, large = packed(args[1], args[2]), packed(args[3], args[4])
  latencies = {}
end

function request()
  turn = turn + 1
  begin = milliseconds()
  return turn % 10 == 0 and large or small
end

function response()
  if turn % 10 ~= 0 then latencies[#latencies + 1] = milliseconds() - begin end
end

function done(summary)
  local all = {}
  for _, thread in ipairs(threads) do
    for _, latency in ipairs(thread:get('latencies')) do all[#all + 1] = latency end
  end
  table.sort(all)
  local errors = summary.errors
  io.write(string.format(
    '\nFIGURES {"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, all[math.ceil(#all * 0.5)], all[math.ceil(#all * 0.99)],
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
