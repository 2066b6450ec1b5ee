SELECT parse_path(filename)[-4] AS machine, parse_path(filename)[-3] AS study, framework, framework_version,
       min_by(precision, latency_reference_ms) AS precision, round(min(latency_reference_ms), 3) AS latency_ms
FROM read_parquet('studies/*/*/tables/performance.parquet', union_by_name = true, filename = true)
WHERE status = 'ok' AND batch_size = 1
  AND replace(filename, 'tables/performance.parquet', 'invalid.json') NOT IN
      (SELECT file FROM glob('studies/*/*/invalid.json'))
GROUP BY ALL ORDER BY machine, framework, study;
