-- The words of what was said, to be searched. The text itself stands in `bodies` alone, so a row that
-- is deleted leaves its words behind until the index is merged.
CREATE VIRTUAL TABLE said USING fts5(
    text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

-- Up to which call that was done, and whether words of what was deleted are still there.
INSERT INTO counters (name, value) VALUES ('searched_through', 0), ('words_are_left', 0);

-- A caller is deleted with the last of its calls.
CREATE INDEX calls_by_caller ON calls (caller_id);

-- What calls came to that were deleted: the money is spent all the same.
CREATE TABLE deleted_quarters (
    id INTEGER PRIMARY KEY,
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
    fee_not_told_calls INTEGER NOT NULL,
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
    input_image_tokens INTEGER NOT NULL,
    output_image_tokens INTEGER NOT NULL,
    file_searches INTEGER NOT NULL,
    counted_calls INTEGER NOT NULL,
    estimated_pico_usd INTEGER NOT NULL,
    cached_calls INTEGER NOT NULL,
    saved_pico_usd INTEGER NOT NULL,
    unknown_saved_calls INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL,
    UNIQUE (began_at_ms, dimension_id)
) STRICT;
