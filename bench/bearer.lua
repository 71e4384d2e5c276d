-- The token goes by the environment: arguments of a process are for everybody to see.
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
