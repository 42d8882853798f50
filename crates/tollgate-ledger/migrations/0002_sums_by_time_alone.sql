-- Sums by hour over all dimensions, so that days in local time and series read few rows however
-- many programs, projects and models there are.
CREATE TABLE hours_of_all (
    began_at_ms INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    cancelled_calls INTEGER NOT NULL,
    unknown_cost_calls INTEGER NOT NULL,
    unknown_usage_calls INTEGER NOT NULL,
    cost_pico_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_5m_tokens INTEGER NOT NULL,
    cache_write_1h_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    input_audio_tokens INTEGER NOT NULL,
    output_audio_tokens INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL,
    PRIMARY KEY (began_at_ms, simulated)
) STRICT, WITHOUT ROWID;

INSERT INTO hours_of_all
SELECT
    h.began_at_ms, d.simulated, sum(h.calls), sum(h.failed_calls), sum(h.cancelled_calls),
    sum(h.unknown_cost_calls), sum(h.unknown_usage_calls), sum(h.cost_pico_usd),
    sum(h.input_tokens), sum(h.cache_read_tokens), sum(h.cache_write_5m_tokens),
    sum(h.cache_write_1h_tokens), sum(h.output_tokens), sum(h.reasoning_tokens),
    sum(h.input_audio_tokens), sum(h.output_audio_tokens), sum(h.web_searches),
    min(h.first_at_ms), max(h.last_at_ms)
FROM hours h JOIN dimensions d ON d.id = h.dimension_id
GROUP BY h.began_at_ms, d.simulated;
