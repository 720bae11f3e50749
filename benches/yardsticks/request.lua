-- What wrk sends: a request of METHOD with the API key or session token KEY and, unless it is empty, the JSON in BODY, in which
-- {site} is a number from 0 to 9, another each time. The last line says requests per second, the median and the 99th percentile
-- of the latency in milliseconds, and the answers that were not 2xx.
wrk.method = os.getenv("METHOD")
wrk.headers["Authorization"] = "Bearer " .. os.getenv("KEY")
local body = os.getenv("BODY")
if body ~= "" then
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = body
end
if body:find("{site}", 1, true) then
  local number = 0
  request = function()
    number = (number + 1) % 10
    return wrk.format(nil, nil, nil, (body:gsub("{site}", tostring(number))))
  end
end

done = function(summary, latency)
  local failed = summary.errors
  io.write(string.format("%.3f %.3f %.3f %d\n",
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    failed.status + failed.connect + failed.read + failed.write + failed.timeout))
end
