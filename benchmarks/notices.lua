-- wrk script: POST prepared, signed notices; one "signature<TAB>body" a line in the file named by $BENCH_BODIES.
local requests, count = {}, 0
function init()
  for line in io.lines(os.getenv("BENCH_BODIES")) do
    local signature, body = line:match("^(%x+)\t(.*)$")
    count = count + 1
    requests[count] = wrk.format("POST", "/agora/bench/notifications",
      {["Content-Type"] = "application/json", ["Agora-Signature-V2"] = signature, ["Host"] = "127.0.0.1"}, body)
  end
end
local at = 0
function request()
  at = at % count + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('RESULT {"rate":%.1f,"p50_ms":%.3f,"p99_ms":%.3f,"requests":%d,"errors":%d}\n',
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.requests, errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
