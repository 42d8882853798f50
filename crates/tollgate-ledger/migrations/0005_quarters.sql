-- Roll-ups by quarter of an hour, the longest time that the days of no zone cut, with unknown costs
-- told apart by their reason. They say nothing that the calls do not: opening builds them anew when
-- `sums_are_stale` is not zero, which every migration that changes them sets.
DROP TABLE hours;
DROP TABLE days;
DROP TABLE hours_of_all;

-- The local key that the caller showed; NULL without one.
ALTER TABLE dimensions ADD COLUMN key TEXT;

-- To find the calls that a sum leaves out.
CREATE INDEX calls_of_unknown_cost ON calls (cost_unknown, started_at_ms, id)
WHERE cost_pico_usd IS NULL AND cost_unknown IS NOT NULL;

-- By quarter of an hour and dimension.
CREATE TABLE quarters (
    began_at_ms INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL REFERENCES dimensions (id),
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    cancelled_calls INTEGER NOT NULL,
    no_price_calls INTEGER NOT NULL,
    no_usage_calls INTEGER NOT NULL,
    kind_not_priced_calls INTEGER NOT NULL,
    tier_not_priced_calls INTEGER NOT NULL,
    out_of_range_calls INTEGER NOT NULL,
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
    PRIMARY KEY (began_at_ms, dimension_id)
) STRICT, WITHOUT ROWID;

-- By day in UTC and dimension: what the quarters of the day add up to.
CREATE TABLE days (
    began_at_ms INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL REFERENCES dimensions (id),
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    cancelled_calls INTEGER NOT NULL,
    no_price_calls INTEGER NOT NULL,
    no_usage_calls INTEGER NOT NULL,
    kind_not_priced_calls INTEGER NOT NULL,
    tier_not_priced_calls INTEGER NOT NULL,
    out_of_range_calls INTEGER NOT NULL,
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
    PRIMARY KEY (began_at_ms, dimension_id)
) STRICT, WITHOUT ROWID;

-- By quarter of an hour over all dimensions, simulated calls (1) apart from the others (0).
CREATE TABLE quarters_of_all (
    began_at_ms INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    cancelled_calls INTEGER NOT NULL,
    no_price_calls INTEGER NOT NULL,
    no_usage_calls INTEGER NOT NULL,
    kind_not_priced_calls INTEGER NOT NULL,
    tier_not_priced_calls INTEGER NOT NULL,
    out_of_range_calls INTEGER NOT NULL,
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

INSERT INTO counters (name, value) VALUES ('sums_are_stale', EXISTS (SELECT * FROM calls));
