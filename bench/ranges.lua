-- wrk: a new random range of LENGTH bytes of a video of SIZE bytes for every request.
local size, length

function init(arguments)
  size, length = tonumber(arguments[1]), tonumber(arguments[2])
  math.randomseed(tonumber(arguments[3]))
end

function request()
  local start = math.random(0, size - length)
  return wrk.format("GET", nil, {Range = "bytes=" .. start .. "-" .. start + length - 1})
end

function done(summary)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status
    + errors.timeout
  print(string.format("RESULT %d %d %d %d", summary.requests, summary.bytes,
    summary.duration, bad))
end
