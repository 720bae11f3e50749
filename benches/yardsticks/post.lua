-- What wrk sends in the measurement of accepts: KEY is an API key, BODY the JSON to post. The last line says requests per
-- second, the median and the 99th percentile of the latency in milliseconds, and the answers that were not 2xx.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("KEY")
wrk.body = os.getenv("BODY")

done = function(summary, latency)
  local failed = summary.errors
  io.write(string.format("%.0f %.3f %.3f %d\n",
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    failed.status + failed.connect + failed.read + failed.write + failed.timeout))
end
